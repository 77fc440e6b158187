"""Recipes: TOML and back, settings by name, hashes, CaImAn's dictionaries."""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import fields, replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.errors import InputError, MissingFileError, OutputError, ParameterError
from napari_cnmf.parameters import Parameters, base_type
from napari_cnmf.recipe import Recipe

GROUPS = get_type_hints(Recipe)
NAMES = [f"{name}.{item.name}" for name, g in GROUPS.items() for item in fields(g)]


def another_value(group: type[Parameters], item: Any) -> Any:
    """An allowed value that is not the default."""
    base, _ = base_type(group, item.name)
    about, default = item.metadata, item.default
    if about["choices"]:
        return next(choice for choice in about["choices"] if choice != default)
    if base is bool:
        return not default
    if base is str:
        return 'a "name" \\ with é'
    middle = about["low"] + 0.37 * (about["high"] - about["low"])
    return base(middle)


def changed(full_name: str) -> Recipe:
    """The default recipe with one parameter changed."""
    group, name = full_name.split(".")
    item = next(item for item in fields(GROUPS[group]) if item.name == name)
    return Recipe().with_settings({full_name: another_value(GROUPS[group], item)})


EVERY_CHANGE = {name: changed(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_survives_the_file_and_changes_the_digest(name):
    recipe = EVERY_CHANGE[name]
    assert recipe != Recipe()
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert recipe.digest() != Recipe().digest()
    assert len(recipe.diff(Recipe())) == 1


def test_no_two_changes_have_the_same_digest():
    digests = {recipe.digest() for recipe in EVERY_CHANGE.values()}
    assert len(digests) == len(NAMES)


def test_auto_survives_the_file_where_it_is_not_the_default():
    recipe = Recipe().with_settings({"dff.window_s": None})
    assert recipe.dff.window_s is None
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@given(st.text())
def test_any_text_survives_the_file(text):
    recipe = replace(Recipe(), input=replace(Recipe().input, dataset=text))
    back = Recipe.from_toml(recipe.to_toml()).input.dataset
    assert back == (None if text == "auto" else text)


def test_the_written_recipe_explains_every_parameter():
    text = Recipe().to_toml()
    for group in GROUPS.values():
        for item in fields(group):
            assert f"\n{item.name} = " in text or f"\n# {item.name} = " in text
    words = " ".join(text.replace("#", "").split())
    for group in GROUPS.values():
        for item in fields(group):
            assert " ".join(item.metadata["doc"].split()) in words
    assert max(map(len, text.splitlines())) <= 88


def test_a_recipe_may_name_only_what_it_changes():
    recipe = Recipe.from_toml('[motion]\nmode = "none"\n')
    assert recipe == Recipe().with_settings(["motion.mode=none"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("quality.min_snr=3", 3.0),
        ("quality.min_snr = 1e1", 10.0),
        ("motion.mode=none", "none"),
        ('motion.mode="none"', "none"),
        ("init.second_search=false", False),
        ("patches.patch_size_px=64", 64),
        ("dff.window_s=auto", None),
        ("dff.percentile=8", 8.0),
        ("input.dataset=a/b", "a/b"),
    ],
)
def test_settings_are_read_as_toml_or_bare_words(setting, value):
    recipe = Recipe().with_settings([setting])
    group, name = setting.split("=")[0].strip().split(".")
    assert getattr(getattr(recipe, group), name) == value


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("motion.max_shift=3", "motion.max_shift_px"),
        ("qualty.min_snr=3", "quality.min_snr"),
        ("motion.min_snr=3", "quality.min_snr"),
        ("min_snr=3", "quality.min_snr"),
        ("init.neuron_half_size=3", "init.neuron_half_size_px"),
        ("dff.methd=detrend", "dff.method"),
        ("temporal.methd=constrained", "temporal.method"),
        ("init.a.b=3", None),
        ("zzzz.qqqq=3", None),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest_of_all_groups(
    setting, nearest
):
    with pytest.raises(ParameterError) as caught:
        Recipe().with_settings([setting])
    assert f"There is no parameter '{setting.split('=')[0]}'" in str(caught.value)
    assert nearest is None or f"did you mean '{nearest}'?" in str(caught.value)


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(ParameterError, match=r"group\.name=value"):
        Recipe().with_settings(["motion.mode"])


def test_a_value_out_of_limits_is_refused_with_the_limits():
    with pytest.raises(ParameterError, match=r"'init.neuron_half_size_px'.*1 to 100"):
        Recipe().with_settings(["init.neuron_half_size_px=1000"])


def test_auto_is_refused_where_a_value_is_needed():
    with pytest.raises(ParameterError, match="Got 'auto'"):
        Recipe().with_settings(["quality.min_snr=auto"])


def test_several_settings_of_one_group_are_applied_together():
    recipe = Recipe().with_settings(["quality.min_snr=3", "quality.max_ring=0.5"])
    assert (recipe.quality.min_snr, recipe.quality.max_ring) == (3.0, 0.5)


def test_diff_names_both_values():
    other = Recipe().with_settings(["quality.min_snr=3", "dff.percentile=8"])
    lines = Recipe().diff(other)
    snr = Recipe().quality.min_snr
    assert lines == [
        f"quality.min_snr: {snr} here, 3.0 there",
        'dff.percentile: "auto" here, 8.0 there',
    ]
    assert Recipe().diff(Recipe()) == []


def test_a_recipe_is_saved_and_loaded(tmp_path):
    recipe = EVERY_CHANGE["init.neuron_half_size_px"]
    path = tmp_path / "new" / "recipe.toml"
    recipe.save(path)
    assert Recipe.load(path) == recipe
    assert [file.name for file in path.parent.iterdir()] == ["recipe.toml"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"recipe\.toml cannot be written"):
        Recipe().save(tmp_path / "file" / "recipe.toml")


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (b"[motion\n", InputError, "bad.toml cannot be read as a recipe"),
        (b"\xff\xfe", InputError, "bad.toml cannot be read as a recipe"),
        (b"mode = 'none'\n", ParameterError, "'mode' stands outside of any group"),
        (b"[motion]\nmod = 1\n", ParameterError, "did you mean 'motion.mode'?"),
        (b"[motion]\nmode = 1\n", ParameterError, "Got 1 instead"),
        (b"[motion]\nmode = {a = 1}\n", ParameterError, "Got {'a': 1} instead"),
    ],
)
def test_a_bad_recipe_file_is_refused_with_a_sentence(
    tmp_path, content, error, sentence
):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        Recipe.load(path)
    assert sentence in str(caught.value)


def test_a_missing_recipe_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nothing\.toml"):
        Recipe.load(tmp_path / "nothing.toml")


def test_the_factorisation_gets_its_groups_and_the_indicators_kinetics():
    recipe = Recipe().with_settings(["acquisition.indicator=gcamp6s"])
    parameters = recipe.cnmf()
    assert parameters.init is recipe.init
    assert (parameters.decay_s, parameters.rise_s) == (1.2, 0.18)


def test_given_time_constants_win_over_the_indicators():
    settings = ["acquisition.decay_time_s=0.4", "acquisition.rise_time_s=0"]
    parameters = Recipe().with_settings(settings).cnmf()
    assert (parameters.decay_s, parameters.rise_s) == (0.4, 0.0)


def test_time_constants_are_left_open_if_they_are_to_be_estimated():
    settings = ["acquisition.indicator=estimate", "acquisition.rise_time_s=0.1"]
    parameters = Recipe().with_settings(settings).cnmf()
    assert (parameters.decay_s, parameters.rise_s) == (None, 0.1)


NOTEBOOK = {
    "fnames": ["movie.tif"],
    "fr": 30,
    "decay_time": 0.4,
    "dxy": (2.0, 2.0),
    "strides": (48, 48),
    "overlaps": (24, 24),
    "max_shifts": (6, 5),
    "pw_rigid": False,
    "p": 1,
    "nb": 2,
    "merge_thr": 0.85,
    "rf": 15,
    "stride": 10,
    "K": 4,
    "gSig": [4, 4],
    "ssub": 1,
    "tsub": 1,
    "min_SNR": 2.0,
    "rval_thr": 0.85,
    "use_cnn": True,
    "border_pix": None,
}


def test_the_notebooks_dictionary_is_converted():
    recipe, unknown = Recipe.from_caiman(NOTEBOOK)
    expected = {
        "acquisition.frame_rate_hz": 30.0,
        "acquisition.decay_time_s": 0.4,
        "acquisition.pixel_size_um": 2.0,
        "motion.max_shift_px": 6.0,
        "motion.mode": "rigid",
        "motion.grid_step_px": 48,
        "motion.grid_overlap_px": 24,
        "temporal.method": "constrained",
        "temporal.ar_order": 1,
        "merge.min_correlation": 0.85,
        "patches.patch_size_px": 31,
        "patches.patch_overlap_px": 10,
        "patches.max_components": 4,
        "init.neuron_half_size_px": 4.0,
        "quality.rule": "caiman",
        "quality.caiman_min_snr": 2.0,
        "quality.caiman_min_r_value": 0.85,
        "quality.use_classifier": True,
    }
    assert recipe == Recipe().with_settings(expected)
    assert unknown == ["fnames", "nb", "tsub"]


def test_caimans_groups_are_read_each_from_its_own():
    recipe, unknown = Recipe.from_caiman(
        {
            "data": {"fr": np.float64(20), "dxy": np.array([1.5, 1.5])},
            "quality": {"min_SNR": 3},
            "online": {"min_SNR": 9},
            "init": {"gSig": np.array([3, 5])},
        }
    )
    assert recipe.acquisition.frame_rate_hz == 20
    assert recipe.acquisition.pixel_size_um == 1.5
    assert recipe.quality.caiman_min_snr == 3
    assert recipe.init.neuron_half_size_px == 4
    assert unknown == ["online.min_SNR"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("border_nan", "copy"),
        ("dxy", (1.0, 2.0)),
        ("p", 3),
        ("method_init", "pca_ica"),
        ("thr_method", "none"),
        ("se", [[1, 1], [1, 1]]),
        ("min_pnr", 20),
        ("tsub", 2),
    ],
)
def test_a_value_without_equivalent_is_told(key, value):
    recipe, unknown = Recipe.from_caiman({key: value})
    assert (recipe, unknown) == (Recipe(), [key])


@pytest.mark.parametrize("values", [{"method_init": "greedy_roi"}, {"nb": 2}])
def test_caimans_usual_methods_stay_ours_and_are_told(values):
    assert Recipe.from_caiman(values) == (Recipe(), list(values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"method_init": "corr_pnr", "nb": 0},
            {"init.method": "corr_pnr", "background.model": "ring"},
        ),
        ({"method_init": "sparse_nmf"}, {"init.method": "sparse_nmf"}),
        ({"gnb": -1}, {"background.model": "ring"}),
        ({"init": {"ssub": 2}}, {"init.space_bin_px": 2}),
        ({"p": 0}, {"temporal.method": "constrained", "temporal.ar_order": 0}),
        (
            {"temporal": {"p": np.int64(2)}},
            {"temporal.method": "constrained", "temporal.ar_order": 2},
        ),
        (
            {"noise_range": [0.3, 0.45]},
            {"temporal.noise_band_low": 0.3, "temporal.noise_band_high": 0.45},
        ),
        ({"s_min": -2}, {"temporal.s_min": -2.0}),
        ({"optimize_g": True}, {"temporal.optimize_g": 1}),
        ({"thr_method": "nrg"}, {"spatial.threshold_by": "energy"}),
        ({"extract_cc": False}, {"spatial.pieces": "all"}),
    ],
)
def test_what_a_dictionary_asks_for_is_taken_over(values, expected):
    assert Recipe.from_caiman(values) == (Recipe().with_settings(expected), [])


@pytest.mark.parametrize(
    ("values", "used"),
    [
        ({"use_cnn": True}, True),
        ({"min_cnn_thr": 0.99}, True),
        ({"min_cnn_thr": 0.99, "use_cnn": False}, False),
    ],
)
def test_limits_of_the_classifier_bring_it_and_caimans_rule(values, used):
    quality = Recipe.from_caiman(values)[0].quality
    assert (quality.rule, quality.use_classifier) == ("caiman", used)


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ({"max_ecc": 4}, 20.0),
        ({"max_ecc": 4, "use_ecc": False}, 20.0),
        ({"max_ecc": 4, "use_ecc": True}, 4.0),
        ({"quality": {"use_ecc": True, "max_ecc": 4}}, 4.0),
        ({"use_ecc": True}, 3.0),
    ],
)
def test_eccentricity_is_limited_only_on_request(values, limit):
    recipe, unknown = Recipe.from_caiman(values)
    assert (recipe.quality.max_eccentricity, unknown) == (limit, [])
    assert recipe.quality.rule == "default"


def test_the_rule_stays_ours_without_caimans_limits():
    assert Recipe.from_caiman({"fr": 30})[0].quality.rule == "default"


def test_a_value_of_caiman_out_of_our_limits_is_refused():
    with pytest.raises(ParameterError, match=r"patches\.patch_size_px.*Got 5 instead"):
        Recipe.from_caiman({"rf": 2})


def test_every_parameter_named_like_caimans_is_told_apart_or_taken_over():
    # Each key of CaImAn leads to at most one parameter: never one value in two places.
    keys = [item.metadata["caiman"] for g in GROUPS.values() for item in fields(g)]
    named = [key for key in keys if key != "new" and key != "subindices"]
    assert len(named) == len(set(named))


def test_default_recipes_are_equal_and_hash_alike():
    assert Recipe() == Recipe()
    assert len({Recipe(), Recipe()}) == 1
    assert Recipe().digest() == Recipe().digest()
    assert tomllib.loads(Recipe().to_toml()).keys() == GROUPS.keys()
    pairs = itertools.pairwise(GROUPS)
    text = Recipe().to_toml()
    assert all(text.index(f"[{a}]") < text.index(f"[{b}]") for a, b in pairs)
