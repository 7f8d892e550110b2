"""Associations, computed when somebody follows them.

An ``Association`` says between which classes a class of links stands and how to get from one end to the other; nothing
is stored, so nothing can disagree with the instances at its ends. The package ``associations`` lists those of Hyper-V.

Rule: ``rights_of`` and ``lefts_of`` are only asked about instances of the class that stands at that end, and give
instances that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import CimClass
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimValue
from hyperv_simulator.repository.instances import Repository

Walk: TypeAlias = Callable[[CimInstance], Iterable[CimInstance]]
LinkProperties: TypeAlias = Callable[[CimInstance, CimInstance], Mapping[str, CimValue]]


@dataclass(frozen=True, slots=True)
class Association:
    """One kind of link; several may share a class.

    :param left_role: the reference property of the left end, ``right_role`` that of the right one.
    :param left_class: what stands at the left end (derived classes too).
    :param properties: what a link holds besides its ends.
    :param all_lefts: where every link starts; without it, at every instance of the left class.
    """

    class_name: str
    left_role: str
    left_class: str
    right_role: str
    right_class: str
    rights_of: Walk
    lefts_of: Walk
    properties: LinkProperties = lambda _left, _right: {}
    namespace: str = DEFAULT_NAMESPACE
    all_lefts: Callable[[], Iterable[CimInstance]] | None = None


class Associations:
    """Follows links. Names given as filters are empty where there is no filter."""

    def __init__(self, repository: Repository, associations: Iterable[Association]) -> None:
        self._repository = repository
        self._associations = tuple(associations)

    def knows(self, cls: CimClass) -> bool:
        """Whether there is a rule for this class of links."""
        return any(True for _ in self._of_class(cls.namespace, cls.name))

    def all(self, cls: CimClass) -> list[CimInstance]:
        """Every link of a class and of those derived from it."""
        found = []
        for association in self._of_class(cls.namespace, cls.name):
            lefts = association.all_lefts or self._lefts_of_class(association)
            for left in lefts():
                found += [self._link(association, left, right) for right in association.rights_of(left)]
        return found

    def _lefts_of_class(self, association: Association) -> Callable[[], Iterable[CimInstance]]:
        return lambda: self._repository.instances(association.left_class, association.namespace)

    def references(self, instance: CimInstance, result_class: str, role: str) -> list[CimInstance]:
        """The links that lead to or from an instance (REFERENCES OF)."""
        return [link for link, _ in self._links(instance, result_class, role, "")]

    def associators(
        self, instance: CimInstance, *, association_class: str, result_class: str, role: str, result_role: str
    ) -> list[CimInstance]:
        """The other ends of those links (ASSOCIATORS OF), each once."""
        found: dict[CimReference, CimInstance] = {}
        for _, other in self._links(instance, association_class, role, result_role):
            if not result_class or self._is_a(other, result_class):
                found.setdefault(self._repository.reference_of(other), other)
        return list(found.values())

    def _links(
        self, instance: CimInstance, class_name: str, role: str, other_role: str
    ) -> Iterator[tuple[CimInstance, CimInstance]]:
        for association in self._of_class(instance.namespace, class_name):
            left, right = association.left_role.lower(), association.right_role.lower()
            forwards = role.lower() in ("", left) and other_role.lower() in ("", right)
            backwards = role.lower() in ("", right) and other_role.lower() in ("", left)
            if forwards and self._is_a(instance, association.left_class):
                for other in association.rights_of(instance):
                    yield self._link(association, instance, other), other
            if backwards and self._is_a(instance, association.right_class):
                for other in association.lefts_of(instance):
                    yield self._link(association, other, instance), other

    def _of_class(self, namespace: str, class_name: str) -> Iterator[Association]:
        for association in self._associations:
            if association.namespace.lower() != namespace.lower():
                continue
            if not class_name or self._class_is_a(association, class_name):
                yield association

    def _class_is_a(self, association: Association, class_name: str) -> bool:
        try:
            return self._repository.catalogue.find(association.namespace, association.class_name).is_a(class_name)
        except NotFound:
            return False  # this Windows version has no such association

    def _is_a(self, instance: CimInstance, class_name: str) -> bool:
        return self._repository.catalogue.find(instance.namespace, instance.class_name).is_a(class_name)

    def _link(self, association: Association, left: CimInstance, right: CimInstance) -> CimInstance:
        link = CimInstance(
            association.class_name,
            {
                association.left_role: self._repository.reference_of(left),
                association.right_role: self._repository.reference_of(right),
                **association.properties(left, right),
            },
            association.namespace,
        )
        return self._repository.finished(link)
