"""Mutants of good files: bytes flipped, cut and put in, settings replaced, pickles changed within sound archives."""

import copy
import json
import struct
import zipfile

import torch
import yaml

from probe.checkpoints.digest import digest_of

ODD = [
    None, True, False, 0, -1, 1, 2, 3, 7, 65, 10**6, 10**9, 10**18, 0.5, -2.5, 1e308, float("inf"), "", "x", "1",
    "a" * 300, "../../etc/passwd", "/dev/zero", "é\u0000\n",
    [], [[]], [1, 2], {}, {"a": 1}, [None] * 50, "linear", "M9", "bfloat16", "llama",
]  # fmt: skip


def places_in(value, path=()):
    """Yields the way to every part of nested dictionaries and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places_in(part, (*path, key))


def changed(value, draw):
    """Returns settings of which one to three were replaced, removed, renamed or copied elsewhere."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        places = list(places_in(value))
        if not places:
            return draw.choice(ODD)
        *way, key = draw.choice(places)
        holder = value
        for step in way:
            holder = holder[step]
        action = draw.choice(["replace", "replace", "replace", "remove", "rename", "copy", "scale"])
        if action == "remove":
            del holder[key]
        elif action == "rename" and isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)
        elif action == "scale" and type(holder[key]) in (int, float):
            holder[key] = draw.choice([-holder[key], holder[key] * 1000, holder[key] + 1, holder[key] - 1])
        elif action == "copy":
            source = value
            for step in draw.choice(places):
                if not isinstance(source, dict | list) or (isinstance(source, list) and step >= len(source)):
                    break
                source = source[step] if isinstance(source, list) else source.get(step)
            holder[key] = copy.deepcopy(source)
        else:
            holder[key] = draw.choice(ODD)
    return value


def garbled(data, draw, within=None):
    """Returns bytes of which a few were flipped, replaced, cut, doubled or put in, early ones more often."""
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        end = max(1, min(len(data), within or len(data)))
        place = int(end * draw.random() ** draw.choice([1, 1, 3]))
        place = min(place, max(0, len(data) - 1))
        action = draw.choice(["flip", "flip", "set", "cut", "drop", "double", "insert", "number"])
        if not data:
            return bytes(data)
        if action == "flip":
            data[place] ^= 1 << draw.randrange(8)
        elif action == "set":
            data[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, ord("["), ord('"'), ord(".")])
        elif action == "cut":
            del data[draw.choice([place, len(data) - 1 - place // 64]) :]
        elif action == "drop":
            del data[place : place + draw.choice([1, 4, 64])]
        elif action == "double":
            data[place:place] = data[place : place + draw.choice([1, 8, 64])]
        elif action == "insert":
            data[place:place] = draw.choice(
                [b"\0" * 8, b"\xff" * 8, b"[" * 3000, b'{"a":' * 3000, b"&a [*a]", b"9" * 5000]
            )
        else:
            data[place : place + 8] = struct.pack("<q", draw.choice([0, 1, -1, 2**31, 2**40, 2**62, 10**6]))
    return bytes(data)


def rewritten(path, draw, member="data.pkl"):
    """Changes the pickle within a torch archive, whose checksums are right again afterwards."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", draw.choice([zipfile.ZIP_STORED] * 3 + [zipfile.ZIP_DEFLATED])) as archive:
        for name, data in parts.items():
            archive.writestr(name, garbled(data, draw) if name.endswith(member) else data)


def spoil_bytes(name, within=None):
    def spoil(folder, draw):
        path = folder / name
        path.write_bytes(garbled(path.read_bytes(), draw, within))

    return spoil


def spoil_archive(name):
    return lambda folder, draw: rewritten(folder / name, draw)


def spoil_json(name):
    def spoil(folder, draw):
        path = folder / name
        path.write_text(json.dumps(changed(json.loads(path.read_text()), draw)))

    return spoil


def spoil_yaml(name):
    def spoil(folder, draw):
        path = folder / name
        path.write_text(yaml.safe_dump(changed(yaml.safe_load(path.read_text()), draw)))

    return spoil


OTHERWISE = [
    lambda t: t.double(), lambda t: t.half(), lambda t: t.to(torch.complex64), lambda t: t.bool(),
    lambda t: t.reshape(-1), lambda t: t[..., :1] if t.ndim else t[None], lambda t: t.new_zeros(()),
    lambda t: t.reshape(-1)[:0],
    lambda t: t.new_zeros(1).expand(10**10), lambda t: t.to_sparse(), lambda t: t.to("meta"),
    lambda t: t * float("nan"), lambda t: t * float("inf"), lambda t: None, lambda t: 3, lambda t: {"a": t},
    lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8), lambda t: t.mT if t.ndim > 1 else t,
    torch.nn.Parameter, lambda t: t.to(torch.float8_e4m3fn), lambda t: t[None].expand(3, *t.shape),
]  # fmt: skip
"""What may become of a tensor."""


def spoil_tensors(name, part=None):
    """Changes what a file of torch holds: its tensors' keys, shapes, kinds and numbers, and the values beside them."""

    def spoil(folder, draw):
        content = torch.load(folder / name, weights_only=True)
        weights = content[part] if part else content
        for key in draw.sample(list(weights), draw.choice([1, 1, 2])):
            tensor = weights[key]
            weights[key] = draw.choice(OTHERWISE)(tensor)
            if draw.random() < 0.2:
                weights[draw.choice([0, "x", key + "x", ("a",), None, 2.5])] = weights.pop(key)
        torch.save(content, folder / name)

    return spoil


def spoil_signed(folder, draw):
    """Changes the description or the tensors of a file of ours, and signs them as its writer would."""
    content = torch.load(folder / "ours.pt", weights_only=True)
    text, weights = json.dumps(changed(json.loads(content["description"]), draw)), content["weights"]
    if draw.random() < 0.3:
        key = draw.choice(list(weights))
        weights[key] = draw.choice([weights[key].double(), weights[key][:0], weights[key].bool(), -weights[key]])
    torch.save(content | {"description": text, "digest": digest_of(weights, text)}, folder / "ours.pt")


def spoil_header(name):
    """Changes the header of a file of safetensors, whose length is right again afterwards."""

    def spoil(folder, draw):
        data = (folder / name).read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        header = json.dumps(changed(json.loads(data[8 : 8 + size]), draw)).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size :])

    return spoil
