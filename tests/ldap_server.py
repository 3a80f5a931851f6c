"""A directory for tests: ldaptor's server, which speaks LDAP by its own reading of the standard.

``python -m tests.ldap_server CERTIFICATE KEY`` serves, with StartTLS and without, and prints its port.
"""

from __future__ import annotations

import io
import sys
from typing import Any, Final

from ldaptor.inmemory import fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor as the_reactor
from twisted.internet import ssl
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter

TREE: Final = b"""\
dn: dc=org
dc: org
objectClass: dcObject

dn: dc=example,dc=org
dc: example
objectClass: dcObject

dn: ou=people,dc=example,dc=org
ou: people
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=org
ou: groups
objectClass: organizationalUnit

dn: cn=reader,dc=example,dc=org
cn: reader
objectClass: person
userPassword: reads-the-directory

dn: uid=eva,ou=people,dc=example,dc=org
uid: eva
objectClass: inetOrgPerson
entryUUID: 11111111-1111-4111-8111-111111111111
givenName: Eva
sn: Ruiz
mail: eva@example.org
userPassword: evas-directory-word

dn: uid=nopass,ou=people,dc=example,dc=org
uid: nopass
objectClass: inetOrgPerson
entryUUID: 22222222-2222-4222-8222-222222222222
sn: Nobody

dn: uid=twin,ou=people,dc=example,dc=org
uid: twin
objectClass: inetOrgPerson
entryUUID: 33333333-3333-4333-8333-333333333333
userPassword: twins-directory-word

dn: cn=twin,ou=people,dc=example,dc=org
cn: twin
uid: twin
objectClass: inetOrgPerson
entryUUID: 44444444-4444-4444-8444-444444444444
userPassword: twins-directory-word

dn: uid=nouuid,ou=people,dc=example,dc=org
uid: nouuid
objectClass: inetOrgPerson
userPassword: no-uuid-here-word

dn: cn=ops,ou=groups,dc=example,dc=org
cn: ops
objectClass: groupOfNames
member: uid=eva,ou=people,dc=example,dc=org

dn: cn=admins,ou=groups,dc=example,dc=org
cn: admins
objectClass: groupOfNames
member: uid=eva,ou=people,dc=example,dc=org

dn: cn=others,ou=groups,dc=example,dc=org
cn: others
objectClass: groupOfNames
member: uid=twin,ou=people,dc=example,dc=org

"""


class Server(LDAPServer):  # type: ignore[misc]
    """Can be asked for StartTLS, which ldaptor's own server leaves out."""

    def extendedRequest_StartTLS(self, _value: Any, reply: Any) -> None:
        """Say yes in the clear, and encrypt everything after that."""
        reply(pureldap.LDAPStartTLSResponse(resultCode=0))
        self.transport.startTLS(self.factory.options)

    extendedRequest_StartTLS.oid = pureldap.LDAPStartTLSRequest.oid  # type: ignore[attr-defined]


class Factory(ServerFactory):
    """Makes a server for each connection; ``options`` are what StartTLS uses."""

    protocol = Server

    def __init__(self, root: Any, options: Any) -> None:
        self.root, self.options = root, options


def main() -> None:
    """Serve until killed."""
    reactor: Any = the_reactor
    options = ssl.DefaultOpenSSLContextFactory(sys.argv[2], sys.argv[1])  # type: ignore[no-untyped-call]
    registerAdapter(lambda factory: factory.root, Factory, IConnectedLDAPEntry)  # type: ignore[no-untyped-call]

    def serve(root: Any) -> None:
        factory = Factory(root, options)
        ports = [
            reactor.listenTCP(0, factory, interface="127.0.0.1"),
            reactor.listenSSL(0, factory, options, interface="127.0.0.1"),
        ]
        sys.stdout.write(" ".join(str(port.getHost().port) for port in ports) + "\n")
        sys.stdout.flush()

    fromLDIFFile(io.BytesIO(TREE)).addCallback(serve)
    reactor.run()


if __name__ == "__main__":
    main()
