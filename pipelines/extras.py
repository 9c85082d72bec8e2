"""The message of a command that needs a package that is not installed."""

from __future__ import annotations

from stores.extras import how_to_install

EXTRA_OF = {
    "PIL": "run",
    "bokeh": "page",
    "cryptography": "cluster",
    "dask_geopandas": "run",
    "dask_jobqueue": "cluster",
    "distributed": "run",
    "huggingface_hub": "run",
    "jinja2": "run",
    "markupsafe": "run",
    "matplotlib": "run",
    "morecantile": "run",
    "obstore": "s3",
    "openvino": "openvino",
    "psutil": "run",
    "pystac": "run",
    "pystac_client": "run",
    "safetensors": "run",
    "scipy": "run",
    "simplejpeg": "run",
    "skimage": "run",
    "stackstac": "run",
    "tomli_w": "run",
    "torch": "run",
    "tornado": "page",
    "transformers": "run",
    "xgboost": "run",
    "xstatic": "page",
}
"""The extra that installs a package, by the name that is imported; ``run`` includes ``models``."""


def missing_package(who: str, error: ModuleNotFoundError) -> str | None:
    """One sentence on the extra that ``who`` needs, None when the missing module belongs to no extra.

    Examples
    --------
    >>> missing_package("croplayer run", ModuleNotFoundError(name="torch"))
    "croplayer run needs packages that are not installed (torch); in a checkout of croplayer: pip install '.[run]'"
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    return f"{who} needs packages that are not installed ({module}); {how_to_install(EXTRA_OF[module])}"
