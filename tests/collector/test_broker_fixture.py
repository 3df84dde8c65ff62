"""The broker that the other tests stand on."""

import socket


def test_broker_listens_again_on_the_same_port_after_a_kill(mosquitto):
    """A test can cut the broker's power and bring it back where its clients expect it."""
    mosquitto.kill()
    mosquitto.start()

    socket.create_connection((mosquitto.host, mosquitto.port), 1).close()


def test_stopped_broker_refuses_connections(mosquitto):
    """After `stop()` nobody answers on the port."""
    mosquitto.stop()

    with socket.socket() as client:
        assert client.connect_ex((mosquitto.host, mosquitto.port)) != 0
