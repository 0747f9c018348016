"""The places of regions, so that a place in words is found: a city, a country, the EU, a continent."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

# Country: provider: region=city, one line a provider; a region without a city is somewhere in the country.
_TABLE = """
United States
 aws us-east-1=Virginia us-east-2=Ohio us-west-1=California us-west-2=Oregon us-gov-east-1 us-gov-west-1
 azure centralus=Iowa eastus=Virginia eastus2=Virginia northcentralus=Chicago southcentralus=Texas westcentralus=Wyoming
 azure westus=California westus2=Washington westus3=Phoenix
 gcp us-central1=Iowa us-east1=South_Carolina us-east4=Virginia us-east5=Columbus us-south1=Dallas us-west1=Oregon
 gcp us-west2=Los_Angeles us-west3=Salt_Lake_City us-west4=Las_Vegas
 nebius us-central1=Kansas_City
Canada
 aws ca-central-1=Montreal ca-west-1=Calgary
 azure canadacentral=Toronto canadaeast=Quebec
 gcp northamerica-northeast1=Montreal northamerica-northeast2=Toronto
Mexico
 aws mx-central-1=Queretaro
 azure mexicocentral=Queretaro
 gcp northamerica-south1=Queretaro
Brazil
 aws sa-east-1=Sao_Paulo
 azure brazilsouth=Sao_Paulo brazilsoutheast=Rio
 gcp southamerica-east1=Sao_Paulo
Chile
 azure chilecentral=Santiago
 gcp southamerica-west1=Santiago
Germany
 aws eu-central-1=Frankfurt
 azure germanywestcentral=Frankfurt germanynorth=Berlin
 gcp europe-west3=Frankfurt europe-west10=Berlin
France
 aws eu-west-3=Paris
 azure francecentral=Paris francesouth=Marseille
 gcp europe-west9=Paris
 nebius eu-west1=Paris
Ireland
 aws eu-west-1=Dublin
 azure northeurope=Dublin
Netherlands
 azure westeurope=Amsterdam
 gcp europe-west4=Eemshaven
Belgium
 gcp europe-west1=Saint_Ghislain
 azure belgiumcentral=Brussels
Italy
 aws eu-south-1=Milan
 azure italynorth=Milan
 gcp europe-west8=Milan europe-west12=Turin
Spain
 aws eu-south-2=Zaragoza
 azure spaincentral=Madrid
 gcp europe-southwest1=Madrid
Poland
 azure polandcentral=Warsaw
 gcp europe-central2=Warsaw
Austria
 azure austriaeast=Vienna
Sweden
 aws eu-north-1=Stockholm
 azure swedencentral=Gavle swedensouth=Malmo
 gcp europe-north2=Stockholm
Finland
 gcp europe-north1=Hamina
 nebius eu-north1=Mantsala
Norway
 azure norwayeast=Oslo norwaywest=Stavanger
Switzerland
 aws eu-central-2=Zurich
 azure switzerlandnorth=Zurich switzerlandwest=Geneva
 gcp europe-west6=Zurich
United Kingdom
 aws eu-west-2=London
 azure uksouth=London ukwest=Cardiff
 gcp europe-west2=London
India
 aws ap-south-1=Mumbai ap-south-2=Hyderabad
 azure centralindia=Pune southindia=Chennai westindia=Mumbai jioindiacentral=Nagpur jioindiawest=Jamnagar
 gcp asia-south1=Mumbai asia-south2=Delhi
Japan
 aws ap-northeast-1=Tokyo ap-northeast-3=Osaka
 azure japaneast=Tokyo japanwest=Osaka
 gcp asia-northeast1=Tokyo asia-northeast2=Osaka
South Korea
 aws ap-northeast-2=Seoul
 azure koreacentral=Seoul koreasouth=Busan
 gcp asia-northeast3=Seoul
Singapore
 aws ap-southeast-1=Singapore
 azure southeastasia=Singapore
 gcp asia-southeast1=Singapore
Indonesia
 aws ap-southeast-3=Jakarta
 azure indonesiacentral=Jakarta
 gcp asia-southeast2=Jakarta
Malaysia
 aws ap-southeast-5=Kuala_Lumpur
 azure malaysiawest=Kuala_Lumpur
Thailand
 aws ap-southeast-7=Bangkok
 gcp asia-southeast3=Bangkok
Taiwan
 aws ap-east-2=Taipei
 gcp asia-east1=Changhua
Hong Kong
 aws ap-east-1=Hong_Kong
 azure eastasia=Hong_Kong
 gcp asia-east2=Hong_Kong
China
 aws cn-north-1=Beijing cn-northwest-1=Ningxia
Australia
 aws ap-southeast-2=Sydney ap-southeast-4=Melbourne
 azure australiaeast=Sydney australiasoutheast=Melbourne australiacentral=Canberra australiacentral2=Canberra
 gcp australia-southeast1=Sydney australia-southeast2=Melbourne
New Zealand
 aws ap-southeast-6=Auckland
 azure newzealandnorth=Auckland
Israel
 aws il-central-1=Tel_Aviv
 azure israelcentral
 gcp me-west1=Tel_Aviv
United Arab Emirates
 aws me-central-1=Dubai
 azure uaenorth=Dubai uaecentral=Abu_Dhabi
Bahrain
 aws me-south-1=Manama
Qatar
 azure qatarcentral=Doha
 gcp me-central1=Doha
Saudi Arabia
 gcp me-central2=Dammam
South Africa
 aws af-south-1=Cape_Town
 azure southafricanorth=Johannesburg southafricawest=Cape_Town
 gcp africa-south1=Johannesburg
"""
# Each line is a group and its countries; of two words with an underscore.
_GROUPED = """
eu Germany France Ireland Netherlands Belgium Italy Spain Poland Austria Sweden Finland
eea eu Norway
europe eea Switzerland United_Kingdom
north_america United_States Canada Mexico
south_america Brazil Chile
latin_america south_america Mexico
middle_east United_Arab_Emirates Bahrain Qatar Saudi_Arabia Israel
oceania Australia New_Zealand
asia middle_east India Japan South_Korea Singapore Indonesia Malaysia Thailand Taiwan Hong_Kong China
asia_pacific oceania India Japan South_Korea Singapore Indonesia Malaysia Thailand Taiwan Hong_Kong China
africa South_Africa
scandinavia Sweden Norway
nordics scandinavia Finland
dach Germany Austria Switzerland
benelux Netherlands Belgium
"""
# Other names of places, a line each; more than a translation would move data out of the place that was meant.
_OTHER_NAMES = """
united states=us usa america
united kingdom=uk britain great_britain england royaume_uni
eu=european_union
eea=european_economic_area
europe=europa
asia pacific=apac
nordics=nordic
germany=deutschland allemagne alemania
france=frankreich
netherlands=holland
switzerland=schweiz suisse svizzera
austria=osterreich
sweden=schweden
ireland=irland
spain=espana
italy=italia
milan=milano
mumbai=bombay
virginia=northern_virginia n_virginia
united arab emirates=uae
south korea=korea
"""
# Words beside a place that change nothing of it; any other word, such as "outside", leaves the place unknown.
_FILLING = frozenset(
    ["the", "in", "region", "regions", "aws", "amazon", "azure", "microsoft", "gcp", "google", "cloud", "am", "main"]
)
_COMPASS = frozenset(["north", "south", "east", "west", "central", "n"])


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a region; its city is None where its provider names none."""

    provider: str
    region: str
    country: str
    city: str | None

    @property
    def key(self) -> str:
        return f"{self.provider}/{self.region}"


@cache
def _places() -> tuple[Place, ...]:
    return tuple(_read())


def _read() -> Iterator[Place]:
    country = ""
    for line in _TABLE.strip().splitlines():
        if not line.startswith(" "):
            country = line
            continue
        provider, *regions = line.split()
        for each in regions:
            region, _, city = each.partition("=")
            yield Place(provider, region, country, city.replace("_", " ") or None)


def named(provider: str, region: str) -> str | None:
    """Return the city and country of a region. Returns None if it is not known."""
    found = next((each for each in _places() if (each.provider, each.region) == (provider, region)), None)
    if found is None:
        return None
    return found.country if found.city in (None, found.country) else f"{found.city}, {found.country}"


def regions_of(text: str) -> tuple[str, ...]:
    """The regions that are meant, as provider/region: one by its own name, or all of a city, country or continent.

    The text itself where it is no known place: a region of the catalogue may have that name.
    """
    own = text.strip().lower()
    if any(each.region == own for each in _places()):
        return (own,)
    parts = [_regions(each) for each in re.split(r"\s+or\s+|\s*/\s*", own)]
    return tuple(dict.fromkeys(key for each in parts for key in each)) if all(parts) else (own,)


def _regions(text: str) -> tuple[str, ...]:
    """The regions of one place, as one region or by the names in the text, which all have to hold; none if unknown."""
    if spelled := tuple(each.key for each in _places() if _squeezed(each.region) == _squeezed(text)):
        return spelled
    words, names = _words(text), _names()
    known = [each for each in _runs(words) if each in names]
    # "North America" has no "America" in it.
    longest = [each for each in known if not any(f" {each} " in f" {other} " for other in known if other != each)]
    runs = {each: names[each] for each in longest}
    rest = set(words.split()) - {word for run in runs for word in run.split()} - _FILLING
    keys = next(iter(runs.values()), ())
    for other in runs.values():
        keys = tuple(key for key in keys if key in other)
    # "US West (Oregon)" is Oregon; of "us west" nothing says which regions it is.
    cities = {_words(each.city) for each in _places() if each.city}
    return () if rest - _COMPASS or (rest and not cities & runs.keys()) else keys


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    """The regions of every city, country and group of countries, by its names in plain letters."""
    names: dict[str, tuple[str, ...]] = {}
    for place in _places():
        for name in {_words(each) for each in (place.city, place.country) if each}:
            names[name] = (*names.get(name, ()), place.key)
    for line in _GROUPED.strip().splitlines():
        group, *parts = (each.replace("_", " ").lower() for each in line.split())
        names[group] = tuple(key for part in parts for key in names[part])
    for line in _OTHER_NAMES.strip().splitlines():
        name, _, others = line.partition("=")
        names |= {each.replace("_", " "): names[name] for each in others.split()}
    return names


def _runs(words: str) -> Iterator[str]:
    """Every run of one to four words in a text."""
    each = words.split()
    for start in range(len(each)):
        for length in range(1, 5):
            if start + length <= len(each):
                yield " ".join(each[start : start + length])


def _words(text: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each))
    return " ".join(re.findall(r"[a-z0-9]+", plain))


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
