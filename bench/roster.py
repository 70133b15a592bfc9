"""Who can be compared, in the order of the tables."""
from peers.mark import Mark
from peers.pm2 import Pm2
from peers.raw import Raw
from peers.runit import Runit
from peers.s6 import S6
from peers.supervisord import Supervisord
from peers.systemd import Systemd

KINDS = {
    "raw": Raw, "pm2": Pm2, "supervisord": Supervisord, "s6": S6, "runit": Runit, "systemd": Systemd,
    "mark": Mark, "mark-built": Mark,
}


def kind_of(name):
    """Every other name is another MARK (--also)."""
    return KINDS.get(name, Mark)
