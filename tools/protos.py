"""Generate gen/ from protos/, offline, and check it: drift, lint, format, breaking changes.

protovalidate ships its rule schema only as generated code, and an offline build cannot reach the
public schema registry. So the descriptor is taken from the library and written to a file set, which
both protoc and buf read.

Usage: python tools/protos.py generate | check | breaking | release
"""

import filecmp
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
# The contracts of the last release; `breaking` compares with them.
RELEASED = PROTOS / "released.binpb"


def write_rule_schema(path: pathlib.Path) -> None:
    """Write buf/validate/validate.proto and its imports as a FileDescriptorSet to `path`."""
    from google.protobuf import (  # noqa: PLC0415 - only the generator needs the build libraries
        descriptor_pb2,
        duration_pb2,
        field_mask_pb2,
        timestamp_pb2,
    )
    from protovalidate._gen.buf.validate import (  # noqa: PLC0415 - the only place it ships
        validate_pb,
    )

    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())  # noqa: SLF001 - ditto
    path.write_bytes(files.SerializeToString())


def protoc(*arguments: str | pathlib.Path) -> None:
    """Run protoc of grpcio-tools; a failure ends the program with protoc's exit code."""
    command = [sys.executable, "-m", "grpc_tools.protoc", *map(str, arguments)]
    subprocess.run(command, check=True, cwd=ROOT)


def build(target: pathlib.Path, image: pathlib.Path) -> None:
    """Generate Python code into `target` and the image of all contracts into `image`."""
    target.mkdir(parents=True, exist_ok=True)
    schema = image.with_name("validate.binpb")
    write_rule_schema(schema)
    protoc(
        f"--descriptor_set_in={schema}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        "buf/validate/validate.proto",
    )
    sources = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.rglob("*.proto"))
    site = sysconfig.get_paths()["purelib"]
    protoc(
        f"--descriptor_set_in={schema}",
        f"-I{PROTOS}",
        f"-I{site}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        f"--grpc_python_out={target}",
        f"--plugin={pathlib.Path(sys.executable).with_name('protoc-gen-mypy_grpc')}",
        f"--mypy_grpc_out=only_async:{target}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={image}",
        *sources,
    )
    move_rules(target)
    (target / "orchestrator/py.typed").touch()
    for folder in {p.parent for p in target.rglob("*_pb2.py")}:
        for package in (folder, *folder.parents):
            if package == target:
                break
            (package / "__init__.py").touch()


def move_rules(target: pathlib.Path) -> None:
    """Move the rule schema under `orchestrator`, because other packages may install a `buf`."""
    shutil.move(target / "buf", target / "orchestrator/buf")
    for path in (*target.rglob("*.py"), *target.rglob("*.pyi")):
        text = path.read_text()
        path.write_text(
            text.replace("from buf.validate import", "from orchestrator.buf.validate import")
        )


def buf(*arguments: str | pathlib.Path) -> None:
    """Run buf of the buf-bin wheel in protos/."""
    executable = pathlib.Path(sys.executable).with_name("buf")
    subprocess.run([executable, *map(str, arguments)], check=True, cwd=PROTOS)


def generate() -> None:
    """Format protos/, and regenerate gen/ from them."""
    buf("format", "-w", ".")
    with tempfile.TemporaryDirectory() as scratch:
        fresh = pathlib.Path(scratch) / "gen"
        build(fresh, pathlib.Path(scratch) / "image.binpb")
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)


def differences(left: pathlib.Path, right: pathlib.Path) -> list[str]:
    """List files that differ or exist on one side only, relative to `left`."""
    names = {
        p.relative_to(base)
        for base in (left, right)
        for p in base.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    return sorted(
        str(name)
        for name in names
        if not (
            (left / name).is_file()
            and (right / name).is_file()
            and filecmp.cmp(left / name, right / name, shallow=False)
        )
    )


def check() -> None:
    """Fail if gen/ is out of date, or lint or format find something."""
    with tempfile.TemporaryDirectory() as scratch:
        image = pathlib.Path(scratch) / "image.binpb"
        build(pathlib.Path(scratch) / "gen", image)
        drift = differences(pathlib.Path(scratch) / "gen", GEN)
        if drift:
            sys.exit("gen/ is out of date (run `make proto`): " + ", ".join(drift))
        buf("lint", image)
        buf("format", "-d", "--exit-code", ".")


def breaking() -> None:
    """Fail if the contracts are incompatible with the last released ones."""
    with tempfile.TemporaryDirectory() as scratch:
        image = pathlib.Path(scratch) / "image.binpb"
        build(pathlib.Path(scratch) / "gen", image)
        buf("breaking", image, "--against", RELEASED)


def release() -> None:
    """Record today's contracts as the release that `breaking` compares with."""
    with tempfile.TemporaryDirectory() as scratch:
        image = pathlib.Path(scratch) / "image.binpb"
        build(pathlib.Path(scratch) / "gen", image)
        shutil.copyfile(image, RELEASED)


def main() -> None:
    """Run the command named on the command line."""
    commands = {"generate": generate, "check": check, "breaking": breaking, "release": release}
    name = sys.argv[1] if len(sys.argv) == 2 else ""  # noqa: PLR2004 - program and command
    if name not in commands:
        sys.exit(f"usage: python tools/protos.py {' | '.join(commands)}")
    commands[name]()


if __name__ == "__main__":
    main()
