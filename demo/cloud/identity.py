"""Keystone's catalogue and service users, and the one connection of the demo to the APIs (openstacksdk)."""

from typing import TYPE_CHECKING

from demo.settings import REGION, SERVICE_USERS, SERVICES, State, endpoint_url

if TYPE_CHECKING:
    from openstack.connection import Connection


def connect(state: State) -> "Connection":
    """As the administrator, whatever the user's own environment and clouds.yaml say."""
    import openstack  # takes a second, so only where it is needed

    return openstack.connect(
        auth_url=endpoint_url("keystone"),
        username="admin",
        password=state.passwords["admin"],
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
        identity_api_version="3",
        load_yaml_config=False,
        load_envvars=False,
    )


def register_services(state: State) -> None:
    """Users, services and endpoints of everything but keystone, whose own ``bootstrap`` has made."""
    identity = connect(state).identity
    project = identity.create_project(name="service", domain_id="default")
    roles = {role.name: role for role in identity.roles()}
    for name in SERVICE_USERS:
        user = identity.create_user(
            name=name, password=state.passwords[name], domain_id="default", default_project_id=project.id
        )
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(project, user, roles[role])
        service = identity.create_service(name=name, type=SERVICES[name][0])
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=service.id, interface=interface, region_id=REGION, url=endpoint_url(name)
            )
