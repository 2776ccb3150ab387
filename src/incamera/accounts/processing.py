"""What accounts do with personal data: registering, changing the profile, signing in, watching over sign-ins."""

from typing import Final

from incamera.privacy import (
    CONTRACT,
    LEGAL_OBLIGATION,
    LEGITIMATE_INTEREST,
    Activity,
    Basis,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Reuse,
    Rights,
    Storage,
    Text,
    declare_log_events,
    declare_symbol,
)

SESSION_ACTIVITIES: Final = ("B2.login_terminal",)

REGISTER = Activity(
    id="B1a.register",
    seed="B.1a",
    since="2026.1",
    name=Text(fr="Créer un compte", en="Creating an account"),
    summary=Text(
        fr="Créer votre compte et vous y reconnaître.", en="Make your account and recognise you when you come back."
    ),
    refusal=Text(
        fr="Sans ces données, pas de compte. Sans surnom, tout le reste fonctionne.",
        en="Without these data there is no account. Without a nickname everything else works.",
    ),
    purposes=(
        Purpose(
            term="dpv:ServiceRegistration", text=Text(fr="créer et tenir votre compte", en="make and run your account")
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="email", term="pd:EmailAddress"),
        Datum(key="country", term="pd:Country"),
        Datum(key="language", term="pd:Language"),
        Datum(key="password_hash", term="incam:PasswordHash", store="secret"),
        Datum(key="nickname", term="pd:Username", required=False),
        Datum(key="registered_at", term="incam:AccountTimes", source="dpv:DataControllerDataSource"),
    ),
    reuses=(Reuse(datum="C.age_check/age_statement"),),  # it stands in the same row and is written with it
    keep=(
        Keep(
            data=("email", "country", "language", "password_hash", "nickname", "registered_at"),
            until="account.closed_at",
            action="crypto_shred",
        ),
    ),
    storage=Storage(key_scope="account"),
    recipients=(
        Recipient(who="subject"),
        Recipient(who="owner", data=("nickname",), when="grant.active"),  # in the viewing log of a shared camera
        Recipient(who="grantee", data=("nickname",), when="grant.active"),
    ),
    measures=("dpv:HashFunctions",),
    rights=Rights(access="include", portability="include", rectification="edit", erasure="shred"),
)

PROFILE_EDIT = Activity(
    id="B1b.profile_edit",
    seed="B.1b",
    since="2026.1",
    name=Text(fr="Modifier son compte", en="Changing an account"),
    summary=Text(
        fr="Remplacer ce que vous modifiez ; l’ancienne valeur disparaît aussitôt.",
        en="Replace what you change; the old value is gone at once.",
    ),
    refusal=Text(fr="Le champ reste tel quel.", en="The field stays as it is."),
    purposes=(
        Purpose(
            term="dpv:AccountManagement",
            text=Text(
                fr="garder trace du champ modifié, jamais de son contenu",
                en="remember which field was changed, never what it held",
            ),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(Datum(key="change_event", term="incam:ChangeEvent", source="dpv:DataControllerDataSource"),),
    keep=(Keep(data=("change_event",), max="P180D", ceiling="P1Y", clock="account_change.at"),),
    recipients=(Recipient(who="subject"),),
)

LOGIN_TERMINAL = Activity(
    id="B2.login_terminal",
    seed="B.2",
    since="2026.1",
    name=Text(fr="Se connecter", en="Signing in"),
    summary=Text(
        fr="Vous garder connecté sur un appareil, et vous montrer lesquels le sont.",
        en="Keep you signed in on a terminal, and show you which ones are.",
    ),
    refusal=Text(
        fr="Sans ces données, pas de connexion depuis cet appareil.",
        en="Without these data there is no signing in from this terminal.",
    ),
    purposes=(
        Purpose(
            term="dpv:IdentityAuthentication",
            text=Text(fr="vous reconnaître d’une page à l’autre", en="recognise you from one page to the next"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="session", term="incam:SessionIdentifier", source="dpv:DataControllerDataSource"),
        Datum(key="used_at", term="incam:SessionTimes", source="dpv:DataControllerDataSource"),
        Datum(key="os_family", term="pd:DeviceOperatingSystem"),
        Datum(key="model_class", term="incam:TerminalModel"),
        Datum(key="ip_address", term="pd:IPAddress"),
    ),
    keep=(
        Keep(
            data=("session", "used_at", "os_family", "model_class", "ip_address"),
            max="P90D",
            ceiling="P180D",
            clock="account_session.last_seen_at",
        ),
    ),
    recipients=(Recipient(who="subject"),),
)

SECURITY_MONITORING = Activity(
    id="B2.security_monitoring",
    seed="B.2",
    since="2026.1",
    name=Text(fr="Surveiller les connexions", en="Watching over sign-ins"),
    summary=Text(
        fr="Freiner ceux qui tentent de deviner un mot de passe.", en="Slow down whoever tries out passwords."
    ),
    refusal=Text(
        fr="Une opposition est examinée : sans ces traces, un compte peut être deviné.",
        en="An objection is weighed: without these traces an account can be guessed.",
    ),
    purposes=(
        Purpose(
            term="dpv:MisusePreventionAndDetection",
            text=Text(
                fr="ralentir et reconnaître les essais de mots de passe",
                en="slow down and recognise guessing of passwords",
            ),
        ),
    ),
    basis=Basis(
        term=LEGITIMATE_INTEREST,
        interest=Text(
            fr="protéger les comptes, et ce que voient leurs caméras, contre les intrus",
            en="protecting accounts, and what their cameras see, against intruders",
        ),
        lia="docs/privacy/lia/security_monitoring.md",
    ),
    data=(Datum(key="attempt", term="pd:AuthenticationHistory", source="dpv:DataControllerDataSource"),),
    keep=(Keep(data=("attempt",), max="P180D", ceiling="P1Y", clock="sign_in_attempt.at"),),
    recipients=(Recipient(who="subject"),),
)

AGE_CHECK = Activity(
    id="C.age_check",
    seed="§2",
    since="2026.1",
    name=Text(fr="Vérifier l’âge", en="Checking the age"),
    summary=Text(
        fr="Retenir que vous avez déclaré avoir l’âge requis ; ni date de naissance, ni âge.",
        en="Remember that you stated to be old enough; neither a birth date nor an age.",
    ),
    refusal=Text(fr="Sans cette déclaration, pas de compte.", en="Without this statement there is no account."),
    purposes=(
        Purpose(
            term="dpv:AgeVerification",
            text=Text(fr="ne pas ouvrir de compte à un enfant", en="make no account for a child"),
        ),
    ),
    basis=Basis(
        term=LEGITIMATE_INTEREST,
        interest=Text(fr="tenir les enfants à l’écart du service", en="keeping children out of the service"),
        lia="docs/privacy/lia/age_check.md",
    ),
    data=(Datum(key="age_statement", term="incam:AgeConfirmation"),),
    keep=(Keep(data=("age_statement",), until="account.closed_at", action="delete"),),
    recipients=(Recipient(who="subject"),),
)

NOTICE_SERVED = Activity(
    id="V.notice_served",
    seed="inferred",
    since="2026.1",
    name=Text(fr="Notice présentée", en="Notice shown"),
    summary=Text(
        fr="Retenir quelle version de cette notice vous a été présentée.",
        en="Remember which version of this notice you were shown.",
    ),
    refusal=Text(fr="Obligation légale : ne peut être refusé.", en="A legal obligation: this cannot be refused."),
    purposes=(
        Purpose(
            term="dpv:LegalCompliance",
            text=Text(fr="prouver que vous avez été informé", en="prove that you were informed"),
        ),
    ),
    basis=Basis(term=LEGAL_OBLIGATION, legal_ref="GDPR Art. 5(2), Art. 13"),
    data=(Datum(key="notice_served", term="incam:NoticeReceipt", source="dpv:DataControllerDataSource"),),
    keep=(Keep(data=("notice_served",), until="notice_served.account_closed_at", grace="P5Y", action="delete"),),
    recipients=(Recipient(who="subject"),),
)

ACTIVITIES: Final = (REGISTER, PROFILE_EDIT, LOGIN_TERMINAL, SECURITY_MONITORING, AGE_CHECK, NOTICE_SERVED)

declare_log_events("B1a.register", {"account.created": ("account_id",)})
declare_log_events("B1b.profile_edit", {"account.password_changed": ("account_id",)})
declare_symbol("job", "accounts.sweep_sessions", "B2.login_terminal")
declare_symbol("event", "SessionEnded", "B2.login_terminal")
declare_symbol("event", "AccountCreated", "B1a.register")
