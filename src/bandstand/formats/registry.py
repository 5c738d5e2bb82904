"""Every format there is, by the name that `bandstand import` and `bandstand export` take."""

from bandstand.formats import Format, aws, dsjson, jsonl, movielens, obd, recbole, table

_ALL = (
    *(jsonl.FORMAT, dsjson.FORMAT, table.CSV, table.PARQUET, aws.FORMAT),
    *(obd.FORMAT, movielens.FORMAT, recbole.FORMAT),
)
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
