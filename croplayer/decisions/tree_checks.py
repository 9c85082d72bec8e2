"""Whether a file of trees is one that XGBoost wrote for a block classifier.

XGBoost trusts the numbers in its JSON and ends the process on some that are wrong. Everything but the trees must therefore
be exactly what it writes for these features and classes, and every node must be of the right kind and inside its tree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from croplayer.decisions.boosting import PARAMETERS

ROOT_PARENT = 2**31 - 1
"""What XGBoost writes as the parent of the root."""
MOST_CATEGORIES = 256
_WHOLE = ("left_children", "right_children", "parents", "split_indices", "split_type", "default_left")
_REAL = ("split_conditions", "base_weights", "loss_changes", "sum_hessian")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_KEYS = {*_WHOLE, *_REAL, *_CATEGORIES, "id", "tree_param"}


def is_written_by_xgboost(values: Any, names: Sequence[str], categorical: Sequence[bool], classes: int) -> bool:
    """Whether a parsed file of trees is whole.

    Parameters
    ----------
    values : the parsed JSON
    names, categorical : name of each feature, and whether it is the code of a category
    classes : number of classes

    Raises nothing; a file of any shape gives an answer.
    """
    try:
        model = values["learner"]["gradient_booster"]["model"]
        trees, info = model["trees"], model["tree_info"]
        score = json.loads(values["learner"]["learner_model_param"]["base_score"])
        version = values["version"]
        rounds = len(trees) // classes
        return (
            values == _frame(values, names, categorical, classes, len(trees))
            and _are_whole(version, 0, 1000) and len(version) == 3
            and _are_real(score) and len(score) == classes
            and rounds > 0 and len(trees) == rounds * classes
            and _are_whole(info, 0, classes) and info == list(range(classes)) * rounds
            and _are_whole(model["iteration_indptr"], 0, len(trees) + 1)
            and all(_is_whole_tree(tree, number, categorical) for number, tree in enumerate(trees))
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        return False


def _frame(
    values: Any, names: Sequence[str], categorical: Sequence[bool], classes: int, trees: int
) -> Mapping[str, Any]:
    """What XGBoost writes around the trees."""
    learner = values["learner"]
    model = learner["gradient_booster"]["model"]
    return {
        "version": values["version"],
        "learner": {
            "attributes": {},
            "feature_names": list(names),
            "feature_types": ["c" if c else "q" for c in categorical],
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(trees)},
                    "iteration_indptr": list(range(0, trees + 1, classes)),
                    "tree_info": model["tree_info"],
                    "trees": model["trees"],
                },
            },
            "learner_model_param": {
                "base_score": learner["learner_model_param"]["base_score"],
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(len(names)),
                "num_target": "1",
            },
            "objective": {
                "name": PARAMETERS["objective"],
                "softmax_multiclass_param": {"num_class": str(classes)},
            },
        },
    }


def _is_whole_tree(tree: Mapping[str, Any], number: int, categorical: Sequence[bool]) -> bool:
    nodes, features = len(tree["left_children"]), len(categorical)
    parameters = {"num_deleted": "0", "num_feature": str(features), "num_nodes": str(nodes), "size_leaf_vector": "1"}
    if set(tree) != _KEYS or type(tree["id"]) is not int or tree["id"] != number or tree["tree_param"] != parameters:
        return False
    if any(len(tree[key]) != nodes for key in (*_WHOLE, *_REAL)) or not all(_are_real(tree[key]) for key in _REAL):
        return False
    return (
        _are_whole(tree["left_children"], -1, nodes)
        and _are_whole(tree["right_children"], -1, nodes)
        and _are_whole(tree["parents"], 0, ROOT_PARENT + 1)
        and _are_whole(tree["split_indices"], 0, features)
        and _are_whole(tree["split_type"], 0, 2)
        and _are_whole(tree["default_left"], 0, 2)
        and _is_reached_once(tree, nodes)
        and _has_whole_categories(tree, categorical)
    )


def _is_reached_once(tree: Mapping[str, Any], nodes: int) -> bool:
    """Whether every node is reached from the root by one way, and says so itself."""
    left, right, parents = tree["left_children"], tree["right_children"], tree["parents"]
    if not nodes or parents[0] != ROOT_PARENT:
        return False
    seen, waiting = {0}, [0]
    while waiting:
        node = waiting.pop()
        children = {left[node], right[node]}
        if children == {-1}:
            continue
        if len(children) != 2 or min(children) < 1 or children & seen or any(parents[c] != node for c in children):
            return False
        seen |= children
        waiting += children
    return len(seen) == nodes


def _has_whole_categories(tree: Mapping[str, Any], categorical: Sequence[bool]) -> bool:
    """Whether each node that splits by category has its categories in the tree's list of them, one after the other."""
    categories, of_nodes, starts, sizes = (tree[key] for key in _CATEGORIES)
    by_category = [node for node, kind in enumerate(tree["split_type"]) if kind]
    count = len(categories)
    if not all(_are_whole(part, 0, MOST_CATEGORIES) for part in (categories,)):
        return False
    if not (_are_whole(of_nodes, 0, len(tree["parents"])) and _are_whole(starts, 0, count + 1)):
        return False
    if not _are_whole(sizes, 0, count + 1) or of_nodes != by_category or not len(starts) == len(sizes) == len(of_nodes):
        return False
    ends = 0
    for start, size in zip(starts, sizes, strict=True):
        if start != ends:
            return False
        ends += size
    return ends == count and all(categorical[tree["split_indices"][node]] for node in by_category)


def _are_whole(values: Any, low: int, below: int) -> bool:
    """Whether values are a list of whole numbers from ``low`` to below ``below``; True and False are none."""
    return type(values) is list and all(type(v) is int and low <= v < below for v in values)


def _are_real(values: Any) -> bool:
    """Whether values are a list of finite numbers of single precision."""
    return type(values) is list and all(type(v) in (int, float) and math.isfinite(v) and abs(v) < 3e38 for v in values)
