"""XMP for a written file, rebuilt property by property from an allow-list (ISO 16684-1).

What is copied describes the picture for people and viewers: that it is a panorama, its title, rights and dates. No
pictures, no history, no structures, no orientation (which EXIF says), and nothing whose name is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from blur_tools.picture import Picture
from blur_tools.redaction._scan_findings import can_be_picture
from blur_tools.redaction._scan_text import EMBEDDED
from blur_tools.settings import BlurSettings

__all__ = ["LARGEST_PACKET", "clean_xmp", "has_xmp"]

LARGEST_PACKET = 65_000
"""Bytes of XMP that are read and written: more does not fit into a JPEG's segment, and is no description."""

LONGEST_VALUE, MOST_VALUES = 2048, 50

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "cc": "http://creativecommons.org/ns#",
}
_NAMES = {
    "GPano": {"ProjectionType", "UsePanoramaViewer", "CaptureSoftware", "StitchingSoftware", "PoseHeadingDegrees",
              "PosePitchDegrees", "PoseRollDegrees", "InitialViewHeadingDegrees", "InitialViewPitchDegrees",
              "InitialViewRollDegrees", "InitialHorizontalFOVDegrees", "InitialCameraDolly", "FirstPhotoDate",
              "LastPhotoDate", "SourcePhotosCount", "ExposureLockUsed", "CroppedAreaImageWidthPixels",
              "CroppedAreaImageHeightPixels", "FullPanoWidthPixels", "FullPanoHeightPixels", "CroppedAreaLeftPixels",
              "CroppedAreaTopPixels", "LargestValidInteriorRectLeft", "LargestValidInteriorRectTop",
              "LargestValidInteriorRectWidth", "LargestValidInteriorRectHeight"},
    "dc": {"title", "description", "subject", "creator", "rights", "format", "language", "publisher", "contributor"},
    "xmp": {"CreateDate", "ModifyDate", "MetadataDate", "CreatorTool", "Rating", "Label"},
    "xmpRights": {"Marked", "UsageTerms", "WebStatement", "Owner"},
    "photoshop": {"Credit", "Source", "Headline", "DateCreated", "AuthorsPosition", "CaptionWriter"},
    "aux": {"Lens", "LensInfo"},
    "exif": set[str](),
    "cc": {"license", "attributionName", "attributionURL"},
}  # fmt: skip
_GPS = {"photoshop": {"City", "State", "Country"}}
_SERIALS = {"aux": {"SerialNumber", "LensSerialNumber"}}
_BY_SPACE = {space: prefix for prefix, space in _PREFIXES.items()}
_LISTS = {f"{{{RDF}}}{name}": name for name in ("Alt", "Seq", "Bag")}
_ITEM, _ABOUT_THE_FILE = f"{{{RDF}}}li", f"{{{RDF}}}Description"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")

Property = tuple[str, str, str, list[tuple[str, str]]]
"""Prefix, name, ``""`` or the kind of a list, and its values with their languages."""


def has_xmp(picture: Picture) -> bool:
    """Whether a file carries XMP."""
    return any(key in picture.info for key in ("xmp", "XML:com.adobe.xmp"))


def clean_xmp(picture: Picture, settings: BlurSettings) -> bytes:
    """A packet with what may be copied; empty when there is nothing, or it cannot be read."""
    if not settings.copy_metadata or picture.format.name == "BMP":
        return b""
    packet = picture.info.get("xmp", picture.info.get("XML:com.adobe.xmp", b""))
    properties = list(_properties(_text(packet), settings))
    used = sorted({prefix for prefix, _, _, _ in properties})
    if not used:
        return b""
    spaces = "".join(f" xmlns:{prefix}={quoteattr(_PREFIXES[prefix])}" for prefix in used)
    written = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""{spaces}>{"".join(map(_element, properties))}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
    doubtful = len(written) > LARGEST_PACKET or can_be_picture(written) or EMBEDDED.search(written)
    return b"" if doubtful else written


def _text(packet: object) -> str:
    """The packet as text; empty if it is too large, or declares entities, which can be bombs."""
    data = packet.encode(errors="replace") if isinstance(packet, str) else packet
    if not isinstance(data, bytes) or len(data) > LARGEST_PACKET:
        return ""
    try:
        text = data.decode().strip("\0 \r\n\t\ufeff")
    except UnicodeDecodeError:
        return ""
    return "" if "<!" in text or "\0" in text else text


def _properties(text: str, settings: BlurSettings) -> Iterator[Property]:
    try:
        root = ElementTree.fromstring(text) if text else None  # noqa: S314  (no entities are left in it)
    except (ElementTree.ParseError, ValueError):
        root = None
    seen: set[tuple[str, str]] = set()
    for about in root.iter(_ABOUT_THE_FILE) if root is not None else ():
        # of a structure's own description
        if about.get(f"{{{RDF}}}about") is None:
            continue
        found = [(name, "", [(value, "")]) for name, value in about.attrib.items()]
        found += [(child.tag, *_values(child)) for child in about]
        for tag, kind, values in found:
            prefix, name = _known(tag, settings)
            joined = "".join(value for value, _ in values)
            if name and (prefix, name) not in seen and values and _is_short(joined):
                seen.add((prefix, name))
                yield prefix, name, kind, values


def _values(element: ElementTree.Element) -> tuple[str, list[tuple[str, str]]]:
    """Kind of list and the texts of a property; none for a structure."""
    if len(element) == 0:
        return "", [(element.text or "", "")] if not element.attrib else []
    (inner, *others) = element
    if others or inner.tag not in _LISTS or any(item.tag != _ITEM or len(item) for item in inner):
        return "", []
    items = [(item.text or "", item.get(_LANGUAGE, "")) for item in inner]
    return _LISTS[inner.tag], items[:MOST_VALUES]


def _known(tag: str, settings: BlurSettings) -> tuple[str, str]:
    """Prefix and name of a property that may be copied; empty if it may not."""
    space, _, name = tag.removeprefix("{").partition("}")
    prefix = _BY_SPACE.get(space, "")
    if not prefix or not _WORD.fullmatch(name):
        return "", ""
    allowed = name in _NAMES[prefix]
    allowed |= settings.copy_gps and (name in _GPS.get(prefix, ()) or (prefix == "exif" and name.startswith("GPS")))
    allowed |= settings.copy_serials and name in _SERIALS.get(prefix, ())
    return (prefix, name) if allowed else ("", "")


def _is_short(value: str) -> bool:
    return len(value) <= LONGEST_VALUE and not can_be_picture(value.encode())


def _element(item: Property) -> str:
    prefix, name, kind, values = item
    if not kind:
        return f"<{prefix}:{name}>{escape(values[0][0])}</{prefix}:{name}>"
    parts = "".join(
        f"<rdf:li{f' xml:lang={quoteattr(language)}' if _WORD.fullmatch(language) else ''}>{escape(value)}</rdf:li>"
        for value, language in values
    )
    return f"<{prefix}:{name}><rdf:{kind}>{parts}</rdf:{kind}></{prefix}:{name}>"
