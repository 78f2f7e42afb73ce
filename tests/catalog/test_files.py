"""Which files are the catalog."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from billing_as_code.catalog import files
from billing_as_code.errors import Problem


def names(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog").mkdir()
    return tmp_path / "catalog"


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_every_yaml_file_is_found_in_order_and_environments_apart(root: Path) -> None:
    touch(root, "b.yml", "a.yaml", "sub/deep/c.yaml", "readme.md", "environments/staging/x/y.yaml")
    touch(root, "environments/production/z.yml", "sub/environments/d.yaml")

    found = files.find(root)

    assert names(found.base, root) == ["a.yaml", "b.yml", "sub/deep/c.yaml", "sub/environments/d.yaml"]
    assert {name: names(paths, root) for name, paths in found.environments.items()} == {
        "production": ["environments/production/z.yml"],
        "staging": ["environments/staging/x/y.yaml"],
    }
    assert found.problems == []


def test_names_that_begin_with_a_dot_are_not_looked_at(root: Path) -> None:
    touch(root, ".hidden.yaml", ".git/config.yaml", "environments/.keep")

    assert files.find(root) == files.Found()


def test_a_folder_that_is_not_there_is_a_problem(root: Path) -> None:
    touch(root, "a.yaml")

    assert [p.message for p in files.find(root / "nowhere").problems] == ["there is no such folder"]
    assert [p.message for p in files.find(root / "a.yaml").problems] == ["is not a folder"]


def test_a_file_among_the_environments_is_a_problem(root: Path) -> None:
    touch(root, "environments/staging.yaml", "environments/notes.md")

    remedy = "move it to environments/<name>/, or out of environments/"
    assert files.find(root).problems == [
        Problem("catalog/environments/staging.yaml", 0, 0, "", "belongs to no environment", remedy)
    ]


def test_a_link_within_the_catalog_is_followed_once_per_layer(root: Path) -> None:
    touch(root, "environments/production/x.yaml", "shared/a.yaml")
    (root / "environments" / "staging").mkdir()
    (root / "environments" / "staging" / "x.yaml").symlink_to("../production/x.yaml")
    (root / "other").symlink_to("shared", target_is_directory=True)

    found = files.find(root)

    assert names(found.base, root) == ["other/a.yaml"]
    assert names(found.environments["staging"], root) == ["environments/staging/x.yaml"]
    assert names(found.environments["production"], root) == ["environments/production/x.yaml"]
    assert found.problems == []


def test_links_out_and_around_are_refused(root: Path) -> None:
    touch(root.parent, "secret.yaml", "notes.md")
    (root / "a.yaml").symlink_to("../secret.yaml")
    (root / "notes.md").symlink_to("../notes.md")
    (root / "round").symlink_to(".", target_is_directory=True)
    (root / "gone.yaml").symlink_to("nowhere.yaml")

    found = files.find(root)

    assert found.base == []
    assert [(p.file, p.message) for p in found.problems] == [
        ("catalog/a.yaml", "is a link out of the catalog"),
        ("catalog/gone.yaml", "cannot be read: no such file or directory"),
        ("catalog/round", "is a link to a folder that it is in"),
    ]


def test_the_catalog_itself_may_be_a_link(root: Path) -> None:
    touch(root, "a.yaml")
    (root.parent / "link").symlink_to("catalog", target_is_directory=True)

    assert [files.label(path) for path in files.find(Path("link")).base] == ["link/a.yaml"]


def test_the_number_of_files_has_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 2)
    touch(root, "a.yaml", "b.yaml", "c.yaml")

    assert [p.message for p in files.find(root).problems] == ["holds more than 2 files"]


def test_what_is_no_file_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.yaml")

    assert files.find(root).problems == [
        Problem("catalog/pipe.yaml", 0, 0, "", "is no file", "remove it, or name it otherwise")
    ]


def test_a_folder_that_cannot_be_read_is_a_problem(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert [str(problem) for problem in files.find(root).problems] == [
        "catalog: cannot be read: permission denied (make it readable, or remove it)"
    ]


def test_a_file_that_cannot_be_read_is_a_problem(root: Path) -> None:
    assert files.content(root) == Problem(
        "catalog", 0, 0, "", "cannot be read: is a directory", "make it readable, or remove it"
    )


def test_a_file_is_called_by_its_path_from_the_working_folder(root: Path, tmp_path: Path) -> None:
    assert files.label(root / "a.yaml") == "catalog/a.yaml"
    assert files.label(Path("catalog/a.yaml")) == "catalog/a.yaml"
    assert files.label(Path("/elsewhere/a.yaml")) == "/elsewhere/a.yaml"
