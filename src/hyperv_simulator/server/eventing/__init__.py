"""WS-Eventing of one host: WMI's events, subscribed to with WQL and pulled.

::

    operations      Subscribe, Pull, Unsubscribe and Renew
      subscriptions   which there are, whose they are, how long they live
        watch           what happened that one subscription is about, and the events that follow from it
          query           an event query, checked against the classes of the host
      source          where changes come from: the repository's hook, and who raises extrinsic events

Sources: MS-WSMV 3.1.4.6, 3.1.4.7, 3.1.4.1.30; DSP0226 10.2 to 10.5; WmiSdk "Receiving Event Notifications".
"""
