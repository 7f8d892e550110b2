"""Finding instances: filters, modes, batches, contexts.

The client owes nothing to our codec (``raw``). Each test cites the statement of the facts (wsman-cim, real-instances 6)
that it is about.
"""

from __future__ import annotations

import pytest
from lxml import etree

from compute_hyperv.cim.values import CimInstance
from tests.simulator.wire.conftest import MACHINES, WireHost, machine
from tests.simulator.wire.raw import CIMV2, NS, V2, WQL, Answer, RawClient, local_name

SYSTEM = f"{V2}/Msvm_ComputerSystem"
ALL = "select * from Msvm_ComputerSystem"
GET = f"{NS['x']}/Get"


def names(answer: Answer) -> list[str | None]:
    return [item.findtext("{*}Name") for item in answer.items]


class TestEnumerate:
    """wsman-cim 3."""

    def test_without_optimization_the_first_answer_holds_only_the_context(self, raw: RawClient) -> None:
        """real-instances 6, 2."""
        answer = raw.query(ALL)
        response = answer.find(".//n:EnumerateResponse")
        assert response is not None
        assert [local_name(child) for child in response] == ["EnumerationContext"]
        assert (answer.context or "").startswith("uuid:")

    def test_a_pull_without_max_elements_gets_one_item_and_the_last_has_no_context(self, raw: RawClient) -> None:
        """real-instances 6, 2."""
        context, seen, contexts = raw.query(ALL).context, [], set()
        while context is not None:
            contexts.add(context)
            answer = raw.pull(context)
            assert len(answer.items) == 1
            seen += names(answer)
            context = answer.context
            assert answer.ended == (context is None)
        assert seen == ["HV1", *MACHINES]
        assert len(contexts) == 3

    def test_optimized_items_are_in_wsmans_namespace_pulled_ones_in_enumerations(self, raw: RawClient) -> None:
        """DSP0226 8.2.3; WSMV 4.1.2.6."""
        answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>2</w:MaxElements>")
        assert len(answer.all(".//w:Items/*")) == 2
        last = raw.pull(answer.context, "<n:MaxElements>10</n:MaxElements>")
        assert len(last.all(".//n:Items/*")) == 1
        assert last.find(".//n:EndOfSequence") is not None

    def test_optimized_to_the_end_says_so_in_wsmans_namespace(self, raw: RawClient) -> None:
        answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>")
        assert names(answer) == ["HV1", *MACHINES]
        assert answer.find(".//w:EndOfSequence") is not None
        assert answer.context is None

    def test_optimized_without_max_elements_is_one_item(self, raw: RawClient) -> None:
        """DSP0226 8.2.3: the default of MaxElements is 1."""
        assert len(raw.query(ALL, "<w:OptimizeEnumeration/>").items) == 1

    def test_nothing_found_ends_at_once(self, raw: RawClient) -> None:
        answer = raw.query(f"{ALL} where Name = 'none'", "<w:OptimizeEnumeration/>")
        assert (answer.items, answer.ended) == ([], True)

    def test_a_class_uri_enumerates_the_class(self, raw: RawClient) -> None:
        answer = raw.enumerate(SYSTEM, "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>")
        assert names(answer) == ["HV1", *MACHINES]

    def test_derived_instances_come_under_their_own_class(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.27; polymorphism modes are ignored."""
        content = (
            '<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements><b:PolymorphismMode xmlns:b="'
            'http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd">ExcludeSubClassProperties</b:PolymorphismMode>'
        )
        answer = raw.enumerate(f"{V2}/CIM_ComputerSystem", content)
        assert {item.tag for item in answer.items} == {f"{{{SYSTEM}}}Msvm_ComputerSystem"}
        assert answer.items[0].find("{*}EnhancedSessionModeState") is not None

    def test_mode_epr_gives_references(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.17; libvirt fetches REF parameters that way."""
        mode = "<w:OptimizeEnumeration/><w:EnumerationMode>EnumerateEPR</w:EnumerationMode>"
        (item,) = raw.query(f"{ALL} where Name = 'HV1'", mode).items
        assert item.tag == f"{{{NS['a']}}}EndpointReference"
        selectors = {each.get("Name"): each.text for each in item.iterfind(".//w:Selector", NS)}
        assert selectors == {"CreationClassName": "Msvm_ComputerSystem", "Name": "HV1"}

    def test_mode_object_and_epr_gives_both(self, raw: RawClient) -> None:
        """DSP0226 8.7."""
        mode = "<w:OptimizeEnumeration/><w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>"
        (item,) = raw.query(f"{ALL} where Name = 'HV1'", mode).items
        assert item.tag == f"{{{NS['w']}}}Item"
        assert [local_name(child) for child in item] == ["Msvm_ComputerSystem", "EndpointReference"]

    @pytest.mark.parametrize("mode", ["EnumerateEPR", "EnumerateObjectAndEPR"])
    def test_references_say_their_namespace_where_the_dmtf_uri_was_asked(self, raw: RawClient, mode: str) -> None:
        """MS-WSMV note 45; not for WMI's own URIs (above)."""
        uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ComputerSystem"
        content = f"<w:OptimizeEnumeration/><w:EnumerationMode>{mode}</w:EnumerationMode>"
        (item,) = raw.enumerate(uri, content, __cimnamespace="root/virtualization/v2").items
        selectors = {each.get("Name"): each.text for each in item.iterfind(".//w:Selector", NS)}
        assert selectors["__cimnamespace"] == "root/virtualization/v2"

    def test_references_need_no_keys_among_what_is_selected(self, raw: RawClient) -> None:
        mode = "<w:OptimizeEnumeration/><w:EnumerationMode>EnumerateEPR</w:EnumerationMode>"
        (item,) = raw.query("select\n ElementName  From Msvm_ComputerSystem where Name = 'HV1'", mode).items
        assert item.findtext(".//w:ResourceURI", None, NS) == SYSTEM

    def test_an_unknown_mode_is_an_unsupported_feature(self, raw: RawClient) -> None:
        answer = raw.query(ALL, "<w:EnumerationMode>EnumerateNothing</w:EnumerationMode>")
        assert answer.fault[:2] == ("w:UnsupportedFeature", "EnumerationMode")

    def test_a_projection_holds_the_selected_properties_in_alphabetical_order(self, raw: RawClient) -> None:
        """MS-WSMV notes 58 and 59."""
        answer = raw.query(
            "select Name, ElementName from Msvm_ComputerSystem where Name = 'HV1'", "<w:OptimizeEnumeration/>"
        )
        (item,) = answer.items
        assert [(local_name(child), child.text) for child in item] == [("ElementName", "HV1"), ("Name", "HV1")]

    def test_associators_go_through_wql(self, raw: RawClient) -> None:
        """libvirt's hyperv_driver.c."""
        path = f'Msvm_ComputerSystem.CreationClassName="Msvm_ComputerSystem",Name="{MACHINES[1]}"'
        wql = f"associators of {{{path}}} where ResultClass = Msvm_VirtualSystemSettingData"
        (item,) = raw.query(wql, "<w:OptimizeEnumeration/>").items
        assert item.findtext("{*}InstanceID") == f"Microsoft:{MACHINES[1]}"

    @pytest.mark.parametrize(
        "condition",
        [
            "__SERVER = 'hv1'",
            "__CLASS = 'Msvm_ComputerSystem' and Name = 'HV1'",
            "__NAMESPACE = 'root\\\\virtualization\\\\v2' and Name = 'HV1'",
            "__PATH like '%Name=\"HV1\"'",
            "__RELPATH like 'Msvm_ComputerSystem.CreationClassName=%Name=\"HV1\"'",
        ],
    )
    def test_system_properties_can_be_compared(self, raw: RawClient, condition: str) -> None:
        """Clients on WMI's own interfaces compare them (WmiSdk "WMI System Properties")."""
        content = "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>"
        items = raw.query(f"select * from Msvm_ComputerSystem where {condition}", content).items
        assert "HV1" in {item.findtext("{*}Name") for item in items}

    def test_wsen_filter_is_as_good_as_wsman_filter(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.13."""
        content = f'<w:OptimizeEnumeration/><n:Filter Dialect="{WQL}">{ALL} where Name = "HV1"</n:Filter>'
        assert names(raw.enumerate(f"{V2}/*", content)) == ["HV1"]

    def test_wql_on_a_class_uri_is_refused(self, raw: RawClient) -> None:
        """WSMERR 2150859003."""
        assert raw.query(ALL, uri=SYSTEM).fault == ("n:CannotProcessFilter", None, "2150859003")

    def test_keys_in_an_enumerate_are_refused(self, raw: RawClient) -> None:
        """WSMERR 2150859016."""
        assert raw.enumerate(SYSTEM, Name="HV1").fault[2] == "2150859016"

    def test_all_classes_cannot_be_enumerated_without_a_filter(self, raw: RawClient) -> None:
        assert raw.enumerate(f"{V2}/*").fault[0] == "n:CannotProcessFilter"

    @pytest.mark.parametrize(
        "wql",
        [
            "select",
            "select * from",
            "delete from X",
            "select * from Msvm_Nothing",
            "select Nope from Msvm_ComputerSystem",
        ],
    )
    def test_a_query_that_is_none_is_cannot_process_filter(self, raw: RawClient, wql: str) -> None:
        """WINRB soap_fault_v2: invalid class in WQL is n:CannotProcessFilter 2150858778, action enumeration/fault."""
        answer = raw.query(wql)
        assert answer.fault == ("n:CannotProcessFilter", None, "2150858778")
        assert answer.text(".//a:Action") == f"{NS['n']}/fault"

    def test_an_unknown_dialect_is_unavailable(self, raw: RawClient) -> None:
        answer = raw.enumerate(SYSTEM, '<w:Filter Dialect="urn:sql">x</w:Filter>')
        assert answer.fault == ("n:FilterDialectRequestedUnavailable", None, "2150858777")

    def test_a_query_in_another_namespace_goes_to_that_namespace(self, raw: RawClient) -> None:
        answer = raw.query("select * from Msvm_ComputerSystem", uri=f"{CIMV2}/*")
        assert answer.fault[0] == "n:CannotProcessFilter"


class TestSelectorFilter:
    """MS-WSMV 3.1.4.1.13."""

    def ask(self, raw: RawClient, *selectors: tuple[str, str], uri: str = SYSTEM) -> Answer:
        content = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in selectors)
        return raw.enumerate(
            uri,
            "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>"
            '<w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter">'
            f"<w:SelectorSet>{content}</w:SelectorSet></w:Filter>",
        )

    def test_it_finds_instances_with_these_property_values(self, raw: RawClient) -> None:
        assert names(self.ask(raw, ("elementname", "VM1"))) == [MACHINES[0]]
        assert names(self.ask(raw, ("EnabledState", "2"))) == list(MACHINES)
        assert names(self.ask(raw, ("EnabledState", "2"), ("ElementName", "vm2"))) == [MACHINES[1]]

    @pytest.mark.parametrize(
        "selectors",
        [
            (("Nope", "1"),),
            (("OperationalStatus", "2"),),
            (("InstallDate", "x"),),
            (("Name", "a'b"),),
            (("Name", "HV1"), ("NAME", "HV1")),
            (("Name", "HV1"), ("Name", "HV1")),
        ],
    )
    def test_what_it_cannot_filter_by_is_a_fault(self, raw: RawClient, selectors: tuple[tuple[str, str], ...]) -> None:
        assert self.ask(raw, *selectors).fault[0] == "n:CannotProcessFilter"


class TestAssociationFilter:
    """DSP0227 8.2, MS-WSMV 3.1.4.1.13: what belongs to one instance."""

    DIALECT = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"
    BINDING = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"

    def ask(
        self, raw: RawClient, tag: str, content: str = "", *, name: str = MACHINES[0], uri: str = f"{V2}/*"
    ) -> Answer:
        start = (
            f"<a:Address>{NS['a']}/role/anonymous</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{SYSTEM}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="Name">{name}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
        )
        object_ = f"<b:Object>{start}</b:Object>"
        return raw.enumerate(
            uri,
            "<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>"
            f'<w:Filter Dialect="{self.DIALECT}"><b:{tag} xmlns:b="{self.BINDING}">{object_}{content}'
            f"</b:{tag}></w:Filter>",
        )

    def test_associated_instances(self, raw: RawClient) -> None:
        answer = self.ask(
            raw, "AssociatedInstances", "<b:ResultClassName>Msvm_VirtualSystemSettingData</b:ResultClassName>"
        )
        assert [item.findtext("{*}InstanceID") for item in answer.items] == [f"Microsoft:{MACHINES[0]}"]

    def test_the_association_and_the_roles_narrow_it_down(self, raw: RawClient) -> None:
        fitting = (
            "<b:AssociationClassName>Msvm_SettingsDefineState</b:AssociationClassName><b:Role>ManagedElement</b:Role>"
        )
        assert len(self.ask(raw, "AssociatedInstances", fitting).items) == 1
        assert self.ask(raw, "AssociatedInstances", "<b:Role>SettingData</b:Role>").items == []

    def test_associations_themselves(self, raw: RawClient) -> None:
        (link,) = self.ask(raw, "AssociationInstances").items
        assert local_name(link) == "Msvm_SettingsDefineState"

    def test_it_goes_with_all_classes_and_an_object_that_exists(self, raw: RawClient) -> None:
        assert self.ask(raw, "AssociatedInstances", uri=SYSTEM).fault[2] == "2150859003"
        assert self.ask(raw, "AssociatedInstances", name="none").fault[0] == "a:DestinationUnreachable"
        assert self.ask(raw, "Nonsense").fault[0] == "n:CannotProcessFilter"


class TestPull:
    """wsman-cim 3."""

    def test_a_pull_may_name_another_class_than_its_enumerate(self, raw: RawClient) -> None:
        """Clients in the field do."""
        context = raw.query(ALL).context
        assert len(raw.pull(context, uri=f"{V2}/Msvm_VirtualSystemSettingData").items) == 1

    def test_max_elements_limits_a_batch(self, raw: RawClient) -> None:
        context = raw.query(ALL).context
        assert len(raw.pull(context, "<n:MaxElements>2</n:MaxElements>").items) == 2

    def test_max_time_and_max_characters_are_accepted(self, raw: RawClient) -> None:
        context = raw.query(ALL).context
        limits = "<n:MaxTime>PT5S</n:MaxTime><n:MaxElements>9</n:MaxElements><n:MaxCharacters>9999</n:MaxCharacters>"
        assert raw.pull(context, limits).status == 200

    def test_a_batch_fits_the_envelope_that_the_client_allows(self, wire: WireHost, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.7."""
        for number in range(50):
            wire.repository.add(machine(f"M{number}", "x" * 500))
        size = "<w:MaxEnvelopeSize>16384</w:MaxEnvelopeSize>"
        answer = raw.query(ALL, "<w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements>", headers=size)
        total, answers = len(answer.items), [answer]
        while answer.context:
            answer = raw.pull(answer.context, "<n:MaxElements>100</n:MaxElements>", headers=size)
            assert answer.items
            answers.append(answer)
            total += len(answer.items)
        assert total == 53
        assert all(len(etree.tostring(each.root)) <= 16384 for each in answers)
        assert len(answers) < 20

    def test_an_item_too_big_for_the_envelope_is_an_encoding_limit_fault(self, wire: WireHost, raw: RawClient) -> None:
        wire.repository.add(machine("BIG", "x" * 9000))
        wql = f"{ALL} where Name = 'BIG'"
        size = "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>"
        context = raw.query(wql).context
        expected = ("w:EncodingLimit", "MaxEnvelopeSizeExceeded", "2150858824")
        assert raw.pull(context, headers=size).fault == expected
        assert raw.query(wql, "<w:OptimizeEnumeration/>", headers=size).fault == expected
        assert len(raw.pull(context).items) == 1

    @pytest.mark.parametrize("context", ["uuid:00000000-0000-0000-0000-000000000000", "", "nonsense"])
    def test_an_unknown_context_is_invalid(self, raw: RawClient, context: str) -> None:
        answer = raw.pull(context)
        assert answer.fault == ("n:InvalidEnumerationContext", None, "2150858779")
        assert answer.text(".//s:Code/s:Value") == "s:Receiver"

    def test_a_released_context_is_invalid(self, raw: RawClient) -> None:
        context = raw.query(ALL).context
        released = raw.release(context)
        assert (released.status, released.text(".//a:Action")) == (200, f"{NS['n']}/ReleaseResponse")
        assert raw.pull(context).fault[0] == "n:InvalidEnumerationContext"


def test_instances_are_those_of_the_moment_of_the_enumerate(wire: WireHost, raw: RawClient) -> None:
    context = raw.query(ALL).context
    wire.repository.add(
        CimInstance("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": "LATE"})
    )
    answer = raw.pull(context, "<n:MaxElements>9</n:MaxElements>")
    assert "LATE" not in names(answer)
