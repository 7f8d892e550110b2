"""The domain's directory (Active Directory), as far as live migration depends on it.

::

    connection     LDAP: connect, prove who we are, search; every failure is a CimError, as a host's is
    descriptors    security descriptors and SIDs
    accounts       computers and what they may do, as plain values

Nothing is ever written.
"""
