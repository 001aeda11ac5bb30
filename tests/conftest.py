"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes is a matter of the machine and decides no test.
settings.register_profile("flux", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("flux")
