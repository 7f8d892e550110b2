"""What an interrupted tour has left behind, by its names: found and removed before the next one."""

from typing import TYPE_CHECKING

from demo.tour.guide import Guide
from demo.tour.names import AGGREGATE, Servers
from demo.tour.outside import Stranger

if TYPE_CHECKING:
    from openstack.image.v2.image import Image


def removable_images(guide: Guide, servers: Servers) -> "list[Image]":
    return [image for image in guide.api.image.images() if image.name in servers.images]


def remove(guide: Guide, servers: Servers) -> None:
    names = {guest.name for guest in servers.all}
    compute = guide.api.compute
    left = [server for server in compute.servers() if server.name in names]
    images = removable_images(guide, servers)
    aggregate = compute.find_aggregate(AGGREGATE)
    strangers = [stranger for host in guide.hosts if (stranger := Stranger(guide, host)).is_there()]
    if not (left or images or aggregate or strangers):
        return
    with guide.display.step("removing what an interrupted tour left behind"):
        for server in left:
            compute.delete_server(server)
        for server in left:
            guide.watch.gone(server.id)
        for image in images:
            guide.api.image.delete_image(image)
        if aggregate:
            for host in aggregate.hosts or []:
                compute.remove_host_from_aggregate(aggregate, host)
            compute.delete_aggregate(aggregate)
        for stranger in strangers:
            stranger.go()
