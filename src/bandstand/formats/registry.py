"""Every format there is, by the name that `bandstand import` and `bandstand export` take."""

from bandstand.formats import Format, jsonl, movielens, obd, recbole, table

FORMATS: dict[str, Format] = {
    one.name: one for one in (jsonl.FORMAT, obd.FORMAT, movielens.FORMAT, recbole.FORMAT, table.CSV, table.PARQUET)
}
