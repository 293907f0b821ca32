"""What a configuration takes and refuses: kinds of value, ranges, names, and what is said of wrong ones."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from fame_cli.config import LinearConfig, PretrainConfig
from fame_cli.configuration import Configuration, options_of
from fame_cli.errors import ConfigurationError
from fame_cli.option import Option, is_object_path


@dataclass(frozen=True)
class Kinds(Configuration):
    """An option of every kind."""

    size_px: Annotated[int, Option("Size.", unit="pixels", at_least=16)] = 32
    count: Annotated[int, Option("Count.", unit="clips", at_least=1)] = 1
    quality: Annotated[int, Option("Quality.", at_least=1, at_most=100)] = 95
    rate: Annotated[float, Option("Rate.", above=0)] = 0.1
    share: Annotated[float, Option("Share.", above=0, at_most=1)] = 0.5
    dropout: Annotated[float, Option("Dropout.", at_least=0, below=1)] = 0.0
    free: Annotated[float, Option("Any number.")] = 0.0
    name: Annotated[str, Option("Name.")] = "train"
    kind: Annotated[Literal["sgd", "adamw"], Option("Kind.")] = "sgd"
    network: Annotated[Literal["i3d", "s3d"] | str, Option("Network.")] = "i3d"
    epochs: Annotated[tuple[int, ...], Option("Epochs.", at_least=0)] = (60, 120)
    mixes: Annotated[bool, Option("Mixes.")] = True
    rates: Annotated[tuple[float, ...], Option("Rates.", above=0)] = ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size_px": 15}, r"--size-px is 15; expected at least 16 pixels\.$"),
        ({"size_px": "32"}, r"--size-px is '32'; expected an integer of at least 16 pixels"),
        ({"size_px": 32.0}, r"--size-px is 32\.0; expected an integer of at least 16 pixels"),
        ({"size_px": True}, r"--size-px is True; expected an integer"),
        ({"size_px": None}, r"--size-px is None; expected an integer"),
        ({"size_px": 2**63}, r"expected at most 9223372036854775807"),
        ({"count": 0}, r"--count is 0; expected at least 1 clip\."),
        ({"quality": 0}, r"--quality is 0; expected from 1 to 100"),
        ({"rate": 0}, r"--rate is 0; expected above 0"),
        ({"rate": math.nan}, r"--rate is nan; expected a number above 0"),
        ({"share": 1.01}, r"--share is 1\.01; expected above 0, at most 1"),
        ({"dropout": 1}, r"--dropout is 1; expected from 0 to below 1"),
        ({"free": -math.inf}, r"--free is -inf; expected a number\."),
        ({"free": 10**400}, r"--free is 1000+\.\.\.0+; expected at most"),
        ({"rate": 1e39}, r"--rate is 1e\+39; expected at most 3e\+38"),
        ({"name": 3}, r"--name is 3; expected text"),
        ({"kind": "adam"}, r"--kind is 'adam'; expected sgd or adamw\.\nDid you mean adamw\?"),
        ({"mixes": 1}, r"--mixes is 1; expected true or false\.$"),
        ({"mixes": "no"}, r"--mixes is 'no'; expected true or false"),
        ({"kind": ["sgd"]}, r"--kind is \['sgd'\]; expected sgd or adamw"),
        ({"kind": "a.b:c"}, r"--kind is 'a\.b:c'; expected sgd or adamw"),
        ({"network": "i3"}, r"expected i3d, s3d or package\.module:name\.\nDid you mean i3d\?"),
        ({"network": "a b:c"}, r"--network is 'a b:c'"),
        ({"epochs": 60}, r"--epochs is 60; expected integers of at least 0 with commas between"),
        ({"epochs": "60,80"}, r"--epochs is '60,80'; expected integers"),
        ({"epochs": (60, -1)}, r"--epochs is \(60, -1\); expected integers of at least 0"),
        ({"rates": (1, 0)}, r"--rates is \(1, 0\); expected numbers above 0 with commas between"),
        ({"sise_px": 32}, r"unknown option sise_px\.\nDid you mean size_px\? Known: size_px, count"),
        ({"\x1b[31m": 32}, r"unknown option \\x1b\[31m\."),
    ],
)
def test_wrong_value_is_shown_with_what_was_expected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Kinds.from_dict(values)


def test_value_that_is_large_or_deep_is_shown_in_brief() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x" * 10**6, [0] * 10**6):
        with pytest.raises(ConfigurationError, match="--size-px is ") as refused:
            Kinds(size_px=value)  # type: ignore[arg-type]
        assert len(refused.value.message) < 250


def test_value_is_kept_in_its_own_type_so_that_equal_options_have_equal_fingerprints() -> None:
    config = Kinds.from_dict({"rate": 30, "epochs": [1, 2], "rates": [3], "network": "my.nets:Wide"})
    assert repr((config.rate, config.epochs, config.rates)) == "(30.0, (1, 2), (3.0,))"
    assert config.network == "my.nets:Wide"
    assert config == Kinds(rate=30.0, epochs=(1, 2), rates=(3.0,), network="my.nets:Wide")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size_px", "32", 32),
        ("size_px", "1e3", "1e3"),
        ("rate", "1e-3", 0.001),
        ("rate", "half", "half"),
        ("name", "32", "32"),
        ("epochs", "60,80", (60, 80)),
        ("epochs", "60, 80,", (60, 80)),
        ("epochs", "", ()),
        ("epochs", "60;80", "60;80"),
        ("rates", "3,0.3", (3.0, 0.3)),
    ],
)
def test_text_of_the_command_line_is_read_where_it_means_a_value(name: str, text: str, value: Any) -> None:
    field = next(field for field in options_of(Kinds) if field.name == name)
    assert repr(field.parse(text)) == repr(value)


def test_subclass_that_gives_another_default_keeps_what_else_is_said_of_the_option() -> None:
    linear = {field.name: field for field in options_of(LinearConfig)}
    assert linear["epochs"].default == 100
    assert linear["epochs"].option.at_least == 1
    assert linear["learning_rate"].option.flags == ("--lr",)
    assert linear["crop_px"].default_text == "as pretrained"


def test_field_without_an_option_is_refused_when_it_is_used() -> None:
    @dataclass(frozen=True)
    class Forgot(Configuration):
        beta: float = 0.5

    with pytest.raises(TypeError, match=r"Forgot\.beta: expected Annotated"):
        Forgot()


def test_every_option_of_a_pretraining_belongs_to_a_group() -> None:
    assert all(field.option.group for field in options_of(PretrainConfig))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a:b", True), ("a.b:c", True), ("a.b", False), (":b", False), ("a:", False), ("a..b:c", False)],
)
def test_name_of_something_of_ones_own_has_a_module_and_a_name(text: str, is_one: bool) -> None:
    assert is_object_path(text) == is_one
