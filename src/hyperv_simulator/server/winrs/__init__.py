"""WinRS: a command shell over WS-Management, good for the commands with which people look at a host.

::

    operations   Create, Command, Send, Receive, Signal, Delete and Get, as XML
      shells     which shells there are, whose they are, how long they live

Sources: MS-WSMV 3.1.4.1.31, 3.1.4.5.2, 3.1.4.11 to 3.1.4.14, 4.7 (messages); 2.2.4.37 (the shell).
"""
