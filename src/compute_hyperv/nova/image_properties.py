"""Properties of an instance's image, also those that Nova does not know.

Nova keeps every property of the image with the instance, but its ImageMetaProps drops names it has no field for. The
retired driver's own names are among them.
"""

from __future__ import annotations

from nova.objects.image_meta import ImageMeta, ImageMetaProps
from nova.objects.instance import Instance
from nova.utils import SM_IMAGE_PROP_PREFIX


def image_property(instance: Instance, image_meta: ImageMeta, name: str) -> str | None:
    """The property's value as text; None where the image has none of that name."""
    if name in ImageMetaProps.fields:
        value = image_meta.properties.get(name)
    else:
        value = instance.system_metadata.get(f"{SM_IMAGE_PROP_PREFIX}{name}")
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)
