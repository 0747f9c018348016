"""The currencies that money can be in: the codes of ISO 4217, funds, metals and test codes left out."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())


def parse_currency(text: str) -> str:
    """The code in capitals. Raises ValueError, with what to do, for a text that is no currency code."""
    code = text.strip().upper()
    if code not in CURRENCIES:
        raise ValueError("give an ISO 4217 currency code such as USD, EUR or JPY")
    return code


# Currencies whose smallest part is not a hundredth, with the decimals that their amounts are written with.
_NONE, _THREE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF", "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)
_SIGNIFICANT = 6


def decimals_of(currency: str) -> int:
    """The decimals that amounts of the currency are written with; 2 for what is no known code."""
    return DECIMALS.get(currency, 2)


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Round to the currency's decimals; an amount below its smallest part keeps six significant digits."""
    with localcontext(prec=60):
        rounded = amount.quantize(Decimal(1).scaleb(-decimals_of(currency)), ROUND_HALF_EVEN)
        if rounded or not amount:
            return rounded
        return amount.quantize(Decimal(1).scaleb(amount.adjusted() - _SIGNIFICANT + 1), ROUND_HALF_EVEN)
