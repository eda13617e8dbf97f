"""``from awsglue.transforms import *`` -> nothing: transforms work on dynamic frames, which are not here."""
