"""An account of AWS and an MWAA environment -> a place where applications live."""
