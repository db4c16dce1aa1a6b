"""The values that fields of a request take. All are open: a string that the service has learnt since is taken too."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field

E = TypeVar("E")
#: A known value as its enum member, or any other string as it is.
Open = Annotated[E | str, Field(union_mode="left_to_right")]


class SpeechModel(StrEnum):
    """Models for `speech_models`, newest first."""

    STT_3_7 = "assemblyai-stt-3-7"
    UNIVERSAL_3_5_PRO = "universal-3-5-pro"
    UNIVERSAL_3_PRO = "universal-3-pro"
    UNIVERSAL_2 = "universal-2"


class SubstitutionPolicy(StrEnum):
    """What stands in the text in place of personal data."""

    HASH = "hash"
    ENTITY_NAME = "entity_name"


class RedactedAudioQuality(StrEnum):
    """Format of a redacted recording."""

    MP3 = "mp3"
    WAV = "wav"


class SummaryModel(StrEnum):
    """Style of a summary (deprecated by the service)."""

    INFORMATIVE = "informative"
    CONVERSATIONAL = "conversational"
    CATCHY = "catchy"


class SummaryType(StrEnum):
    """Form of a summary (deprecated by the service)."""

    BULLETS = "bullets"
    BULLETS_VERBOSE = "bullets_verbose"
    GIST = "gist"
    HEADLINE = "headline"
    PARAGRAPH = "paragraph"


class PiiPolicy(StrEnum):
    """Kinds of personal data, for `redact_pii_policies`; also the types of detected entities."""

    ACCOUNT_NUMBER = "account_number"
    BANKING_INFORMATION = "banking_information"
    BLOOD_TYPE = "blood_type"
    CREDIT_CARD_CVV = "credit_card_cvv"
    CREDIT_CARD_EXPIRATION = "credit_card_expiration"
    CREDIT_CARD_NUMBER = "credit_card_number"
    DATE = "date"
    DATE_INTERVAL = "date_interval"
    DATE_OF_BIRTH = "date_of_birth"
    DRIVERS_LICENSE = "drivers_license"
    DRUG = "drug"
    DURATION = "duration"
    EMAIL_ADDRESS = "email_address"
    EVENT = "event"
    FILENAME = "filename"
    GENDER_SEXUALITY = "gender_sexuality"
    HEALTHCARE_NUMBER = "healthcare_number"
    INJURY = "injury"
    IP_ADDRESS = "ip_address"
    LANGUAGE = "language"
    LOCATION = "location"
    LOCATION_ADDRESS = "location_address"
    LOCATION_ADDRESS_STREET = "location_address_street"
    LOCATION_CITY = "location_city"
    LOCATION_COORDINATE = "location_coordinate"
    LOCATION_COUNTRY = "location_country"
    LOCATION_STATE = "location_state"
    LOCATION_ZIP = "location_zip"
    MARITAL_STATUS = "marital_status"
    MEDICAL_CONDITION = "medical_condition"
    MEDICAL_PROCESS = "medical_process"
    MONEY_AMOUNT = "money_amount"
    NATIONALITY = "nationality"
    NUMBER_SEQUENCE = "number_sequence"
    OCCUPATION = "occupation"
    ORGANIZATION = "organization"
    PASSPORT_NUMBER = "passport_number"
    PASSWORD = "password"  # noqa: S105 - a kind of data
    PERSON_AGE = "person_age"
    PERSON_NAME = "person_name"
    PHONE_NUMBER = "phone_number"
    PHYSICAL_ATTRIBUTE = "physical_attribute"
    POLITICAL_AFFILIATION = "political_affiliation"
    RELIGION = "religion"
    STATISTICS = "statistics"
    TIME = "time"
    URL = "url"
    US_SOCIAL_SECURITY_NUMBER = "us_social_security_number"
    USERNAME = "username"
    VEHICLE_ID = "vehicle_id"
    ZODIAC_SIGN = "zodiac_sign"
