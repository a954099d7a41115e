"""``ddf.blur``: the accessor of Dask's DataFrames. ``import blur_tools.frames.dask`` gives it to them.

It is not given by ``import blur_tools``: that would load Dask for everybody, or depend on who was imported first.
Workers import this module when they are handed their first piece of work.

Each partition goes through `blur_tools.frames.tables` as a DataFrame of pandas would. What partitions have in common
is the store, so that what a worker had done before it was killed is not done again, and a service's rate, which holds
over all workers together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools.batch.columns import picture_column, with_rows
from blur_tools.batch.rows import Job
from blur_tools.batch.store import FOLDER_VARIABLE, Store, default_folder
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import ExtraMissingError, OutputError, SettingsError
from blur_tools.frames.tables import apply_frame, detect_frame, find_column
from blur_tools.redaction.logo import logo_of
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

try:
    from dask.dataframe.extensions import register_dataframe_accessor
    from distributed.protocol.pickle import dumps

    from blur_tools.frames._dask_rate import share_rate
except ImportError as error:
    raise ExtraMissingError("blur_tools.frames.dask", "dask") from error

__all__ = ["DaskAccessor"]


@dataclass(frozen=True)
class _Work:
    """What is done with every partition."""

    column: Any
    settings: BlurSettings
    engine: Engine
    job: Job
    store: str | None
    client: int
    out: str = ""
    root: str | None = None

    def apply(self, part: pd.DataFrame) -> pd.DataFrame:
        self._share_rate()
        return apply_frame(
            part,
            self.column,
            out=self.out,
            # not the folder that these paths share: others may be in the same partition another time
            root=Path(self.root or Path(self.out).anchor),
            alone=False,
            **self._options(),
        )

    def detect(self, part: pd.DataFrame) -> pd.DataFrame:
        self._share_rate()
        return detect_frame(part, self.column, **self._options())

    def _options(self) -> Mapping[str, Any]:
        store = None if self.store is None else Store(self.store)
        return {
            "settings": self.settings, "engine": self.engine, "job": self.job, "resume": False, "store": store
        }  # fmt: skip

    def _share_rate(self) -> None:
        address, rate = getattr(self.engine, "pace", ("", None))
        if rate is not None and not share_rate(address) and os.getpid() != self.client:
            raise SettingsError("rate", "holds over several processes only on a distributed cluster: make a Client")


@register_dataframe_accessor("blur")  # type: ignore[no-untyped-call]
class DaskAccessor:
    """Find and blur plates and faces in the pictures that a column of a Dask DataFrame names."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def apply(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        root: str | os.PathLike[str] | None = None,
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        errors: str = "record",
        workers: int = 1,
        resume: bool = True,
        store: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> Any:
        """Blur every picture into the folder `out`, lazily; see ``df.blur.apply``.

        Parameters
        ----------
        column : label, optional
            Must be said where the table has several columns: its cells are not looked at before they are computed.
        out : path
            Folder of the results, on a file system that all workers share.
        root : path, optional
            Folder that paths are relative to: each file keeps its place below it. Without one it keeps its whole way
            from the root of the file system, for a partition does not know the paths of the others.
        engine : str or Engine, optional
            Made here, with the token of this process's environment, and sent to the workers.
        workers : int
            Threads for each partition that is under way; a worker has as many under way as it has threads.
        store : path, optional
            Folder of what is kept by content, on a file system that all workers share; by default
            ``$BLUR_TOOLS_STORE``, else `out` with ``.store`` behind it.
        settings, errors, resume, **params
            As for ``df.blur.apply``.

        Returns
        -------
        dask.dataframe.DataFrame
            As of ``df.blur.apply``, with the same partitions and divisions.

        Raises
        ------
        SettingsError, OutputError
            At once what can be known at once, the rest when it is computed.
        """
        wanted = _self_contained(BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY))
        name = picture_column(self._frame._meta, column)
        folder, base = _absolute(out, "out"), None if root is None else _absolute(root, "root")
        if base is not None and os.path.realpath(folder) == os.path.realpath(base):
            raise OutputError(f"{folder} is the folder of the pictures; choose another for the results")
        place = _store_folder(store, Path(f"{folder}.store")) if resume else None
        work = _Work(name, wanted, _sent(engine), Job(workers, False, errors), place, os.getpid(), folder, base)
        return self._frame.map_partitions(work.apply, meta=with_rows(self._frame._meta, []))

    def detect(
        self,
        column: Any = None,
        *,
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        errors: str = "record",
        workers: int = 1,
        resume: bool = True,
        store: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> Any:
        """Find plates and faces, lazily; one row a detection, as of ``df.blur.detect``.

        Parameters are those of `apply`; the store is by default where it is without Dask: give `store` on a cluster of
        several machines.
        """
        wanted = BlurSettings.of(settings, **params)
        meta = self._frame._meta
        name = find_column(meta, column)
        place = _store_folder(store, default_folder()) if resume else None
        finder = _sent(engine)
        work = _Work(name, wanted, finder, Job(workers, False, errors), place, os.getpid())
        empty = detect_frame(meta, name, settings=wanted, engine=finder, job=Job(progress=False), resume=False)
        return self._frame.map_partitions(work.detect, meta=empty)


def _absolute(folder: Any, field: str) -> str:
    """A folder for workers, which have working folders of their own."""
    if not isinstance(folder, str | os.PathLike):
        raise SettingsError(field, f"a folder is needed, not {type(folder).__name__}")
    return os.path.abspath(os.fsdecode(folder))


def _self_contained(settings: BlurSettings) -> BlurSettings:
    """With a logo's file in place of its name, which may be one of this machine alone."""
    logo = logo_of(settings) if settings.render == "local" else None
    return settings if logo is None else replace(settings, logo=logo.data)


def _store_folder(said: str | os.PathLike[str] | None, default: Path | None) -> str | None:
    if said is not None:
        return _absolute(said, "store")
    place = default_folder() if os.environ.get(FOLDER_VARIABLE) else default
    return None if place is None else os.path.abspath(place)


def _sent(engine: str | Engine | None) -> Engine:
    """An engine that can be sent to workers."""
    made = as_engine(engine)
    try:
        dumps(made)  # type: ignore[no-untyped-call]
    except Exception as error:
        # no cause: it could show what the engine holds
        raise SettingsError("engine", f"{made.name} cannot be sent to workers: {type(error).__name__}") from None
    return made
