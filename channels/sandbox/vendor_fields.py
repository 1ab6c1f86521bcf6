"""What create requests may carry, by the vendors' specifications (twilio-oai, sendgrid-oai). The tests compare them."""

from typing import Final

# fmt: off
MESSAGE_PARAMETERS: Final = frozenset({
    "AddressRetention", "ApplicationSid", "Attempt", "Body", "ContentRetention", "ContentSid", "ContentVariables",
    "FallbackFrom", "ForceDelivery", "From", "MaxPrice", "MediaUrl", "MessageIntent", "MessagingServiceSid",
    "PersistentAction", "ProvideFeedback", "RiskCheck", "ScheduleType", "SendAsMms", "SendAt", "ShortenUrls",
    "SmartEncoded", "StatusCallback", "To", "TrafficType", "ValidityPeriod",
})
CALL_PARAMETERS: Final = frozenset({
    "ApplicationSid", "AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", "Byoc", "CallReason",
    "CallToken", "CallerId", "ClientNotificationUrl", "FallbackMethod", "FallbackUrl", "From", "MachineDetection",
    "MachineDetectionSilenceTimeout", "MachineDetectionSpeechEndThreshold", "MachineDetectionSpeechThreshold",
    "MachineDetectionTimeout", "Method", "Passports", "Record", "RecordingChannels", "RecordingConfigurationId",
    "RecordingStatusCallback", "RecordingStatusCallbackEvent", "RecordingStatusCallbackMethod", "RecordingTrack",
    "SendDigits", "SipAuthPassword", "SipAuthUsername", "StatusCallback", "StatusCallbackEvent",
    "StatusCallbackMethod", "TimeLimit", "Timeout", "To", "Trim", "Twiml", "Url",
})
CALL_UPDATE_PARAMETERS: Final = frozenset({
    "FallbackMethod", "FallbackUrl", "Method", "Status", "StatusCallback", "StatusCallbackMethod", "TimeLimit",
    "Twiml", "Url",
})
FORBIDDEN_MAIL_HEADERS: Final = frozenset({
    "bcc", "cc", "content-transfer-encoding", "content-type", "dkim-signature", "from", "received", "reply-to",
    "subject", "to", "x-sg-eid", "x-sg-id",
})
TWIML_VERBS: Final = frozenset({
    "Connect", "Dial", "Enqueue", "Gather", "Hangup", "Leave", "Pause", "Pay", "Play", "Prompt", "Record", "Redirect",
    "Refer", "Reject", "Say", "Sms", "Start", "Stop",
})
# fmt: on
