"""The broker fixture that other tests use."""

import socket


def test_broker_listens_again_on_the_same_port_after_a_kill(mosquitto):
    """A test can kill the broker and start it again on its port."""
    mosquitto.kill()
    mosquitto.start()

    socket.create_connection((mosquitto.host, mosquitto.port), 1).close()


def test_stopped_broker_refuses_connections(mosquitto):
    """After `stop()` nothing answers on the port."""
    mosquitto.stop()

    with socket.socket() as client:
        assert client.connect_ex((mosquitto.host, mosquitto.port)) != 0
