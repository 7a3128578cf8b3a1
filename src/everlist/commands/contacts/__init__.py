"""`everlist contacts`."""

from __future__ import annotations

import click

from everlist.commands.contacts.changing import create_contact, update_contact
from everlist.commands.contacts.deleting import delete_contacts, erase_contacts, restore_contacts
from everlist.commands.contacts.explaining import explain_contact, show_consent
from everlist.commands.contacts.reading import find_contact, get_contact, list_contacts


@click.group()
def contacts() -> None:
    """List, create, update, delete, restore and erase contacts. A CONTACT is an address or an id."""


for _command in (
    get_contact,
    find_contact,
    list_contacts,
    create_contact,
    update_contact,
    delete_contacts,
    restore_contacts,
    erase_contacts,
    explain_contact,
    show_consent,
):
    contacts.add_command(_command)
