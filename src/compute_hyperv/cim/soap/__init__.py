"""WS-Management messages to values and back.

Rule 1: no I/O. Bytes come in, values go out, and the other way round.
Rule 2: no room here knows whether it serves a client or a simulated host. Requests and responses are both written and
        both read by the same functions for instances, references and values; a rule that held for one side only would
        let the two agree on something wrong.
Rule 3: writing is strict (a name or type that the schema lacks is an InvalidRequest that names it), reading is
        forgiving (any prefix, missing optional headers, unknown properties); what cannot be read at all is a
        ProtocolError.

==============  ====================================================================================
room            what it knows
==============  ====================================================================================
``names``       namespaces and action URIs
``uris``        resource URIs: of a namespace and class, and back
``references``  endpoint references and selectors
``writing``     instances and values, to XML
``reading``     XML, to instances and values
``parameters``  the parameters and results of a method
``envelope``    envelope, addressing headers, message ids
``requests``    Get, Put, Create, Delete, Invoke, Enumerate, Pull, Release, Identify
``responses``   their answers
``association_filter``  the filter of an Enumerate for associations
``eventing``    Subscribe, Unsubscribe and Renew, with their answers
``faults``      SOAP faults in both of Windows' forms, the table of them, and the error each one becomes
==============  ====================================================================================

Sources: DMTF DSP0226 (WS-Management), DSP0227 and DSP0230 (CIM binding), [MS-WSMV]; recorded answers of Windows hosts.
"""
