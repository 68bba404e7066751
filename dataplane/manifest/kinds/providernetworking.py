"""`{provider, networking}`: the networking of a Shoot before its provider's rules alone."""

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import networking
from dataplane.model.problem import Source
from dataplane.rules import providers
from dataplane.rules.fielderror import not_supported, required

PATH = "spec.networking"


def _judge(case: Case) -> None:
    provider = case.top.text("provider")
    remedy = f"write one of {', '.join(providers.PROVIDERS)}"
    if provider not in providers.PROVIDERS:
        if provider is None and "provider" not in case.top:
            problem = required("provider", "must be set", source=Source.PROVIDER, remedy=remedy)
            case.top.add([problem])
        elif provider is not None:
            known = providers.PROVIDERS
            source = Source.PROVIDER
            problem = not_supported("provider", provider, known, source=source, remedy=remedy)
            case.top.add([problem])
        return
    inner = case.top.section("networking")
    section = Section(case.top.document, PATH, inner.values, case.top.problems)
    case.top.add(providers.networking(provider, networking(section)))


KIND = Kind(name="ProviderNetworking", groups=(), judge=_judge)
