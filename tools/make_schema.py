#!/usr/bin/env python3
"""Make the package data of ``compute_hyperv.cim``: the class catalogue and the fault table.

    tools/make_schema.py SOURCE [--output src/compute_hyperv/cim/data]

SOURCE is a folder with one ``<namespace with dots>.json`` per namespace, ``_system_classes.json`` and
``_wsman_faults.json`` (origin and licences: see NOTICE). What comes out holds only what the program reads: names,
types, keys, references, embedded classes, value maps, defaults, overrides, methods and their return values. Same
source, same bytes: the output is sorted where order has no meaning, and carries no date. Namespaces that SOURCE lacks
stand in ``tools/schema``, each with its origin, in the same form.

Nothing here is imported by the program; the record format below is what ``cim/schema.py`` reads::

    class     {"super", "keys", "abstract", "assoc", "singleton", "since", "props", "methods", "overrides"}
    property  {"t": type, "ref"/"emb": class, "w": 1 when writable, "default", "values": {value: meaning}}
    method    {"ret": type or absent for void, "params": [{"n", "d", "t", "ref"/"emb", "opt"}], "rv": {code: meaning}}
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

Record = dict[str, Any]

_OWN = Path(__file__).parent / "schema"

# The generator of the source wrote these where a method returns something other than a number: the name of the returned
# class in lower case, "integer" for two methods whose base class says uint32, "hresult" for one of WMI's own.
_RETURN_TYPES = {"integer": "uint32", "hresult": "uint32", "wt_disk": "object", "wt_host": "object", "void": None}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("--output", type=Path, default=Path("src/compute_hyperv/cim/data"))
    options = arguments.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    system = _system_classes(json.loads((options.source / "_system_classes.json").read_text("utf-8")))
    _write(options.output / "_system.json", {"classes": system})
    for path in sorted([*options.source.glob("root*.json"), *_OWN.glob("root*.json")]):
        document = json.loads(path.read_text("utf-8"))
        _write(options.output / path.name, _namespace(document, system))
    _write(
        options.output / "_faults.json", _faults(json.loads((options.source / "_wsman_faults.json").read_text("utf-8")))
    )
    return 0


def _namespace(document: Record, system: Record) -> Record:
    classes: Record = {}
    known = set(document["classes"]) | set(system)
    for name, record in sorted(document["classes"].items()):
        if name in system:
            continue  # the documentation types system classes better than the dump, which has references for objects
        classes[name] = _class(record)
        if (base := classes[name].get("super")) is not None and base not in known:
            del classes[name]["super"]
            own = classes[name].get("props", {})
            classes[name]["keys"] = [key for key in classes[name].get("keys", ()) if key in own]
            print(f"{document['namespace']}: {name} derives from {base}, which is unknown there", file=sys.stderr)
    return {"namespace": document["namespace"], "classes": classes}


def _class(record: Record) -> Record:
    live = record.get("src", "")
    return _slim(
        {
            "super": record.get("super"),
            "keys": sorted(record.get("keys", ())),
            "abstract": record.get("abstract"),
            "assoc": record.get("association"),
            "singleton": record.get("singleton"),
            "since": "23h2" if live.startswith("live:23h2") else None,
            "props": {name: _property(prop) for name, prop in sorted(record.get("props", {}).items())},
            "methods": {name: _method(method) for name, method in sorted(record.get("methods", {}).items())},
            "overrides": {
                name: _slim({"default": _default(over.get("default"), None), "values": _meanings(over.get("values"))})
                for name, over in sorted((record.get("inherited_overrides") or {}).items())
            },
        }
    )


def _property(record: Record) -> Record:
    return _slim(
        {
            "t": record["t"],
            "ref": record.get("ref"),
            "emb": record.get("emb"),
            "w": 1 if "write" in (record.get("acc") or "") else None,
            "default": None if record["t"] == "reference" else _default(record.get("default"), record["t"]),
            "since": record.get("since"),
            "values": _meanings(record.get("values")) or record.get("enum_live"),
        }
    )


def _method(record: Record) -> Record:
    returned = record["ret"]
    return _slim(
        {
            "ret": _RETURN_TYPES.get(returned, returned),
            "params": [
                _slim(
                    {
                        "n": parameter["n"],
                        "d": parameter["d"],
                        "t": parameter["t"],
                        "ref": parameter.get("ref"),
                        "emb": parameter.get("emb"),
                        "opt": 1 if parameter.get("opt") else None,
                    }
                )
                for parameter in record["params"]
            ],
            "rv": _meanings(record.get("rv")),
        }
    )


def _system_classes(document: Record) -> Record:
    """The ``__*`` classes, which every namespace has; their source spells the record out in full."""
    classes: Record = {}
    for name, record in sorted(document["classes"].items()):
        classes[name] = _slim(
            {
                "super": record["superclass"],
                "keys": sorted(record["keys"]),
                "abstract": record.get("abstract"),
                "assoc": record.get("association"),
                "props": {
                    prop["name"]: _slim(
                        {
                            "t": prop["type"] + ("[]" if prop["is_array"] else ""),
                            "ref": prop.get("ref_class"),
                            "emb": prop.get("embedded_class"),
                            "w": 1 if "write" in (prop.get("access") or "") else None,
                        }
                    )
                    for prop in record["properties"].values()
                    if not prop["inherited"]
                },
                "methods": {
                    method["name"]: _slim(
                        {
                            "ret": _RETURN_TYPES.get(method.get("returns"), method.get("returns")),
                            "params": [
                                _slim(
                                    {
                                        "n": parameter["name"],
                                        "d": parameter["direction"],
                                        "t": parameter["type"] + ("[]" if parameter["is_array"] else ""),
                                        "emb": parameter.get("embedded_class"),
                                    }
                                )
                                for parameter in method["params"]
                            ],
                        }
                    )
                    for method in record["methods"].values()
                    if not method["inherited"]
                },
            }
        )
    return classes


def _faults(document: Record) -> Record:
    """Error name -> [code, SOAP code, subcode, fault detail, action], and code -> message for every WS-Man error."""
    faults = {}
    for fault in document["faults"]:
        if fault["error"] and fault["error"] not in faults:
            faults[fault["error"]] = [
                fault["code_dec"], fault["soap_code"], fault["subcode"], fault["fault_detail"], fault["action"]
            ]  # fmt: skip
    # Some messages of the source begin with the author's notes: "wsman, code=Sender, subcode=..., details= The ...".
    codes = {
        name: [code["dec"], re.sub(r"^ws\w*, code=.*?, details=.*?(?=The )", "", code["message"])]
        for name, code in document["all_codes"].items()
    }
    return {"faults": faults, "codes": codes}


def _meanings(values: list[list[str]] | None) -> dict[str, str] | None:
    """``[[value, meaning], ...]`` without the ranges that only reserve numbers."""
    return {value: meaning for value, meaning in values or () if ".." not in value} or None


def _default(text: str | None, type_name: str | None) -> Any:
    """A default as the documents print it (MOF syntax) to a JSON value; None where it is no value at all."""
    if text is None:
        return None
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        items = [_default(part, None) for part in text[1:-1].split(",") if part.strip()]
        return [item for item in items if item is not None]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text.upper() in ("TRUE", "FALSE"):
        return text.upper() == "TRUE"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"\d{8,14}\.\d{6}[:+-]\d{3}", text) and type_name in (None, "datetime"):
        return text
    return None  # prose ("length = 0"), or a name without quotes: says nothing that can be relied on


def _slim(record: Record) -> Record:
    """The record without what says nothing; an empty or false default does say something."""
    return {name: value for name, value in record.items() if value or (name == "default" and value is not None)}


def _write(path: Path, document: Record) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
