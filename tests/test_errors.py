import copy
import inspect
import pickle
import re

import pytest

import blur_tools
from blur_tools import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


def by_name(cls):
    return cls.__name__


def example(cls):
    """An instance with a value for each parameter of the class, or with one message."""
    if not inspect.isfunction(cls.__init__):
        return cls("what went wrong")
    return cls(*[f"the {name}" for name in inspect.signature(cls).parameters])


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_errors_survive_pickling(cls, protocol):
    error = example(cls)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_errors_can_be_copied(cls):
    error = example(cls)
    assert str(copy.copy(error)) == str(error) == str(copy.deepcopy(error))


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_an_error_says_all_that_it_was_given(cls):
    error = example(cls)
    assert error.args
    optional = len(cls.__init__.__defaults__ or ()) if inspect.isfunction(cls.__init__) else 0
    assert all(str(argument) in str(error) for argument in error.args[: len(error.args) - optional])


@pytest.mark.parametrize(
    ("cls", "attributes"),
    [
        (errors.SettingsError, ("field", "problem")),
        (errors.PictureError, ("picture", "reason")),
        (errors.FetchError, ("picture", "reason")),
        (errors.ExtraMissingError, ("what", "extra")),
        (errors.ThrottledError, ("picture", "reason")),
    ],
    ids=["settings", "picture", "fetch", "extra", "service"],
)
def test_the_parts_of_an_error_are_attributes(cls, attributes):
    error = cls("one", "two")
    assert tuple(getattr(error, name) for name in attributes) == ("one", "two")


def test_a_missing_extra_tells_how_to_install_it():
    assert "pip install 'blur-tools[napari]'" in str(errors.ExtraMissingError("the plugin", "napari"))


def test_the_tree_in_the_docstring_is_the_real_one():
    drawn, path = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+Error)(?: \((\w+)\))?", line)
        if match:
            depth = len(match.group(1)) // 4
            path[depth:] = [match.group(2)]
            drawn[match.group(2)] = {path[depth - 1] if depth else "Exception", *filter(None, [match.group(3)])}
    real = {cls.__name__: {base.__name__ for base in cls.__bases__} for cls in CLASSES}
    assert drawn == real


def test_all_errors_of_the_module_are_public_and_derive_from_one():
    defined = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and cls.__module__ == errors.__name__}
    assert defined == set(errors.__all__)
    assert all(issubclass(cls, errors.BlurError) for cls in CLASSES)
    assert all(getattr(blur_tools, cls.__name__) is cls for cls in CLASSES)
