"""`tcu-sim operator`: Assistance by hand, and the parties that an operator talks to."""

from __future__ import annotations

import argparse

from tcu_sim.centre.app_client import RIGHT, PinNotAccepted
from tcu_sim.centre.client import Client
from tcu_sim.centre.operator_client import Operator
from tcu_sim.centre.person_cli import add_command, add_common, identifier, read_secret_line
from tcu_sim.cli.values import seconds, whole

DESCRIPTION = """\
Assistance by hand, against a running `tcu-sim centre`. Answers are JSON. An unlock, from press to door:

  incidents                          the ON CALL press shows up; take its incident_id
  answer INCIDENT                    the car's lamp says: connected
  unlock VEHICLE INCIDENT            prepares the request; take the request id
  ticket REQUEST                     for the caller's PIN entry
  keypad TICKET                      the caller keys in the PIN (read from standard input)
  send REQUEST                       asks the car; then: request REQUEST --wait 30
  end-call INCIDENT                  hangs up; until then the incident stays open

A theft, from the owner's call to the car's positions:

  call-in CALLER VEHICLE             somebody rings up; take the incident id
  open-case VEHICLE                  take its case_id
  centre-agrees CASE, owner-agrees CASE, police-agrees CASE
  track VEHICLE INCIDENT CASE        or snapshot; take the request id; ticket, keypad, send as above
  positions CASE                     what the car has told; end-case CASE erases it

Ids are 32 hex digits. An ADDRESS is the id of a registered letterbox, not a street: 1 to 64 of A-Z a-z 0-9 _ -,
such as owner-home; its letters lie in DIR/post/ADDRESS/."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `operator`."""
    parser = subparsers.add_parser(
        "operator",
        help="Assistance by hand: calls, unlock, theft cases, new PINs",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.add_argument(
        "--as", dest="number", type=int, choices=(1, 2), default=1, help="operator (1)"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_calls(commands)
    _add_requests(commands)
    _add_accounts(commands)
    _add_cases(commands)


async def _key_in(client: Client, args: argparse.Namespace) -> str:
    answer = await client.keypad().enter(args.ticket, read_secret_line("PIN: "))
    if answer != RIGHT:
        raise PinNotAccepted(answer)
    return answer


def _operator(client: Client, args: argparse.Namespace) -> Operator:
    return client.operator(args.number)


def _add_calls(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wait = add_command(
        commands,
        "incidents",
        lambda c, a: _operator(c, a).incidents(timeout_s=a.wait),
        summary="open incidents",
    )
    wait.add_argument("--wait", type=seconds, default=0, metavar="S", help="for the first one")
    add_command(
        commands,
        "answer",
        lambda c, a: _operator(c, a).answer(identifier(a.incident)),
        summary="answer a call",
        arguments=["incident"],
    )
    add_command(
        commands,
        "end-call",
        lambda c, a: _operator(c, a).end_call(identifier(a.incident)),
        summary="end a call and close its incident",
        arguments=["incident"],
    )
    add_command(
        commands,
        "call-in",
        lambda c, a: c.telephone().call_in(caller=a.caller, vehicle_id=a.vehicle),
        summary="as the telephone exchange: somebody calls about a vehicle",
        arguments=["caller", "vehicle"],
    )
    add_command(
        commands,
        "vehicle",
        lambda c, a: _operator(c, a).vehicle(a.vehicle),
        summary="whether a vehicle can be reached",
        arguments=["vehicle"],
    )
    add_command(
        commands,
        "records",
        lambda c, a: _operator(c, a).records(a.vehicle),
        summary="what a vehicle has reported",
        arguments=["vehicle"],
    )


def _add_requests(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add_command(
        commands,
        "state",
        lambda c, a: _operator(c, a).draft_state(a.vehicle, identifier(a.incident)),
        summary="prepare a question for locks and doors",
        arguments=["vehicle", "incident"],
    )
    unlock = add_command(
        commands,
        "unlock",
        lambda c, a: _operator(c, a).draft_unlock(
            a.vehicle, identifier(a.incident), window_s=a.window
        ),
        summary="prepare an unlock",
        arguments=["vehicle", "incident"],
    )
    unlock.add_argument(
        "--window",
        type=whole(10, 1800),
        metavar="S",
        help="armed: wait so long for the tailgate plate, 10..1800",
    )
    add_command(
        commands,
        "ticket",
        lambda c, a: _operator(c, a).ticket(identifier(a.request)),
        summary="a ticket for the caller's PIN entry",
        arguments=["request"],
    )
    add_command(
        commands,
        "keypad",
        _key_in,
        summary="as the caller: enter the PIN (from standard input)",
        arguments=["ticket"],
    )
    add_command(
        commands,
        "send",
        lambda c, a: _operator(c, a).send(identifier(a.request)),
        summary="send a prepared request to the car",
        arguments=["request"],
    )
    look = add_command(
        commands,
        "request",
        lambda c, a: _operator(c, a).request(identifier(a.request), timeout_s=a.wait),
        summary="what has become of a request",
        arguments=["request"],
    )
    look.add_argument("--wait", type=seconds, default=0, metavar="S", help="for its end")


def _add_accounts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add_command(
        commands,
        "subscribe",
        lambda c, a: _operator(c, a).subscribe(a.vehicle, address=a.address),
        summary="begin a subscription; the PIN goes to DIR/post/ADDRESS (1 to 64 of A-Z a-z 0-9 _ -)",
        arguments=["vehicle", "address"],
    )
    add_command(
        commands,
        "reissue",
        lambda c, a: _operator(c, a).reissue(a.vehicle, identifier(a.incident)),
        summary="replace the PIN for somebody on the line",
        arguments=["vehicle", "incident"],
    )
    account = add_command(
        commands,
        "account",
        lambda c, a: _operator(c, a).account_state(a.vehicle, timeout_s=a.wait),
        summary="a vehicle's account",
        arguments=["vehicle"],
    )
    account.add_argument(
        "--wait", type=seconds, default=0, metavar="S", help="until the car has learnt it"
    )
    add_command(
        commands,
        "trust",
        lambda c, a: _operator(c, a).publish_trust(a.vehicle),
        summary="send a vehicle the trust bundle; one that is asked for something gets it anyway",
        arguments=["vehicle"],
    )
    add_command(
        commands,
        "propose-keeper",
        lambda c, a: _operator(c, a).propose_keeper(
            a.vehicle, kind=a.kind, address=a.address, proof=a.proof
        ),
        summary="propose a change; KIND is keeper or address",
        arguments=["vehicle", "kind", "address", "proof"],
    )
    add_command(
        commands,
        "confirm-keeper",
        lambda c, a: _operator(c, a).confirm_keeper(identifier(a.change)),
        summary="confirm another operator's proposal",
        arguments=["change"],
    )


def _add_cases(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add_command(
        commands,
        "open-case",
        lambda c, a: _operator(c, a).open_case(a.vehicle),
        summary="open a theft case",
        arguments=["vehicle"],
    )
    for party, confirm in {
        "centre": lambda c, a: _operator(c, a).confirm_case(identifier(a.case)),
        "owner": lambda c, a: c.owner().confirm_case(identifier(a.case)),
        "police": lambda c, a: c.police().confirm_case(identifier(a.case), reference="by hand"),
    }.items():
        add_command(
            commands,
            f"{party}-agrees",
            confirm,
            summary=f"{party} agrees that the car is traced",
            arguments=["case"],
        )
    track = add_command(
        commands,
        "track",
        lambda c, a: _operator(c, a).draft_tracking(
            a.vehicle,
            identifier(a.incident),
            case_id=identifier(a.case),
            interval_s=a.interval,
            duration_s=a.duration,
        ),
        summary="prepare tracking",
        arguments=["vehicle", "incident", "case"],
    )
    track.add_argument("--interval", type=int, default=60, metavar="S", help="(60)")
    track.add_argument("--duration", type=int, default=3600, metavar="S", help="(3600)")
    add_command(
        commands,
        "snapshot",
        lambda c, a: _operator(c, a).draft_snapshot(
            a.vehicle, identifier(a.incident), case_id=identifier(a.case)
        ),
        summary="prepare a question for one position",
        arguments=["vehicle", "incident", "case"],
    )
    add_command(
        commands,
        "positions",
        lambda c, a: c.desk_clerk().positions(identifier(a.case)),
        summary="as the theft desk's clerk: the positions of a case",
        arguments=["case"],
    )
    add_command(
        commands,
        "end-case",
        lambda c, a: c.desk_clerk().end_case(identifier(a.case)),
        summary="end a case; its positions are erased",
        arguments=["case"],
    )
