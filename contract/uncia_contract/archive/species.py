"""`SPECIES`: the scientific name of each label."""

SPECIES = {
    "snow_leopard": "Panthera uncia", "wolf": "Canis lupus", "fox": "Vulpes vulpes", "ibex": "Capra sibirica",
    "marmot": "Marmota", "dog": "Canis familiaris", "bird": "Aves", "lynx": "Lynx lynx", "bear": "Ursus arctos",
}  # fmt: skip
