#!/usr/bin/env python3
"""Holds the source to the rules of the house.

    tools/house.py includes    every #include "room/…" is allowed by the floor plan (src/CMakeLists.txt)
    tools/house.py rules       patterns that may stand only in certain places
    tools/house.py docs        the rooms in ARCHITECTURE.md are those of the floor plan, and its links lead somewhere

Prints each breach as file:line, why it is one, and what to do. Exits 1 when there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = ("src", "apps", "bench", "examples", "tests")


def floor_plan():
    """Room → the rooms it may use, in the order of the floor plan."""
    text = (ROOT / "src/CMakeLists.txt").read_text()
    text = re.sub(r"#.*", "", text)
    plan = {}
    for body in re.findall(r"mesh_room\(([^)]*)\)", text):
        words = body.split()
        room, lists, current = words[0], {"USES": [], "TEST_USES": []}, None
        for word in words[1:]:
            if word == "THREADS":
                continue
            if word in ("USES", "TEST_USES", "LINKS", "TEST_LINKS"):
                current = lists.get(word)
            elif current is not None:
                current.append(word)
        plan[room] = lists
    return plan


def sources(*folders):
    for folder in folders:
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc"))


def room_of(path, rooms):
    """The deepest room that a path (relative to src/) lies in."""
    parts = path.parts[:-1]
    for depth in range(len(parts), 0, -1):
        if "/".join(parts[:depth]) in rooms:
            return "/".join(parts[:depth])
    return None


def check_includes():
    plan = floor_plan()
    for path in sources("src"):
        room = room_of(path.relative_to(ROOT / "src"), plan)
        if room is None:
            yield path, 1, "lies in no room", "declare the folder in src/CMakeLists.txt"
            continue
        allowed = {room, *plan[room]["USES"]}
        if path.name.endswith("_test.cc") or path.name.startswith("test_"):
            allowed |= set(plan[room]["TEST_USES"])
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            used = room_of(pathlib.PurePath(found[1]), plan)
            if used is not None and used not in allowed:
                yield path, number, f"room '{room}' may not use room '{used}'", "see USES in src/CMakeLists.txt"
        own = path.with_suffix(".h")
        if path.suffix == ".cc" and own.exists():
            first = re.search(r'^\s*#\s*include\s+[<"]([^>"]+)', path.read_text(), re.M)
            if first is None or first[1] != own.relative_to(ROOT / "src").as_posix():
                yield path, 1, f"does not include its own header {own.name} first", "so that the header is known to compile alone"


# pattern, the places where it may stand, why
RULES = [
    (r"\b(system|steady|high_resolution)_clock::now\(", ["src/base/", "bench/"], "time is handed in as a Clock, so that tests can hold it still"),
    (r"\b(std::)?getenv\(", ["apps/", "src/settings/", "examples/", "tests/"], "the environment is read where a program starts, and handed in"),
    (r"\bsleep_(for|until)\(|\busleep\(|[^_\w]sleep\(", [], "wait for the thing itself, not for time to pass"),
    (r"#\s*include\s*<libpq-fe\.h>", ["src/store/postgres/"], "PostgreSQL is the business of store/postgres"),
    (r"#\s*include\s*<sqlite3\.h>", ["src/store/sqlite/"], "SQLite is the business of store/sqlite"),
    (r"#\s*include\s*<boost/(asio|beast)", ["src/wire/"], "sockets are the business of wire"),
    (r"#\s*include\s*<nghttp2", ["src/wire/"], "HTTP/2 is the business of wire"),
    (r"#\s*include\s*<yaml-cpp", ["src/model/", "src/settings/"], "documents are read by model"),
    (r"#\s*include\s*<spdlog", ["src/base/"], "use the macros of base/log.h"),
    (r"#\s*include\s*<CLI/", ["apps/", "bench/", "src/cli/", "src/sidecar/"], "flags belong to programs"),
    (r'#\s*include\s*[<"]envoy/(config|extensions|type)/', ["src/envoy/", "src/config/", "src/policy/", "src/policies/", "tests/", "bench/"], "these headers cost seconds per file; use mesh/envoy's own types"),
    (r'#\s*include\s*[<"]envoy/service/', ["src/envoy/", "src/ads/", "src/dpserver/", "src/kds/", "tests/", "bench/"], "discovery services are the business of ads, dpserver and kds"),
    (r"\bthrow\b(?!\s*;)", ["tests/"], "return a Result; exceptions of libraries stop in the adapter that called them"),
    (r"\bco_(await|return|yield)\b", [], "GCC 12 destroys temporaries of co_await expressions twice"),
    (r"\bstd::thread\b|\.detach\(\)", [], "threads are std::jthread and end with their owner"),
    (r"(?<![(\w.])new\s+[A-Za-z_:]+[({\[;]", [], "no raw new: std::make_unique or std::make_shared (or straight into a unique_ptr where the constructor is private)"),
    (r"\batomic<\s*(std::)?shared_ptr", ["src/base/"], "use Published: this library's atomic<shared_ptr> has a data race"),
]


def code_only(line):
    """The line without string literals and comments."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line) if not re.match(r"\s*#\s*include", line) else line
    return re.sub(r"//.*", "", line)


def check_rules():
    for path in sources(*CODE):
        where = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "NOLINT(house)" in line:
                continue
            text = code_only(line)
            for pattern, places, why in RULES:
                if re.search(pattern, text) and not any(where.startswith(place) for place in places):
                    yield path, number, f"'{re.search(pattern, text)[0].strip()}' may not stand here", why


def check_docs():
    plan = floor_plan()
    page = ROOT / "ARCHITECTURE.md"
    text = page.read_text()
    listed = dict(re.findall(r"^\| `([a-z0-9_/*]+)` \| ([^|]*) \|", text, re.M))
    for room, lists in plan.items():
        uses = " ".join(lists["USES"]) or "–"
        if room not in listed:
            yield page, 1, f"room '{room}' is missing from the table of rooms", f"add: | `{room}` | {uses} | … |"
        elif listed[room].strip() != uses:
            yield page, 1, f"room '{room}' may use '{uses}', the page says '{listed[room].strip()}'", "make both the same"
    for room in listed:
        if room not in plan:
            yield page, 1, f"the page names a room '{room}' that the floor plan does not have", "remove it"
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.md")]:
        for number, line in enumerate(document.read_text().splitlines(), 1):
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
                if not (document.parent / link).exists():
                    yield document, number, f"the link '{link}' leads nowhere", "mend or remove it"


CHECKS = {"includes": check_includes, "rules": check_rules, "docs": check_docs}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        sys.exit(__doc__)
    breaches = list(CHECKS[sys.argv[1]]())
    for path, number, what, why in breaches:
        print(f"{path.relative_to(ROOT)}:{number}: {what} ({why})")
    if breaches:
        sys.exit(1)


if __name__ == "__main__":
    main()
