"""REST operations that answer interactions: the callback, the original response, follow-ups."""

import time

from tests.wire import bodies, chat, limits
from tests.wire.calls import Call, Handler, Route
from tests.wire.errors import ApiError, invalid_form
from tests.wire.model import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    EPHEMERAL,
    LOADING,
    MODAL,
    REPLY,
    Channel,
    Interaction,
    Json,
    Message,
)
from tests.wire.routes_messages import require_open, shown

MESSAGE, DEFER, DEFER_UPDATE, UPDATE, CHOICES, OPEN_MODAL = 4, 5, 6, 7, 8, 9

_ALLOWED = {
    COMMAND: {MESSAGE, DEFER, OPEN_MODAL},
    COMPONENT: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE, OPEN_MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE},
}


def callback(call: Call) -> Json | None:
    """Acknowledge an interaction: once, and within three seconds."""
    interaction = _to_acknowledge(call)
    kind = call.json.get("type")
    needs_message = kind in (DEFER_UPDATE, UPDATE) and interaction.message_id is None
    if kind not in _ALLOWED[interaction.type] or needs_message:
        raise invalid_form(
            {"type": ("BASE_TYPE_CHOICES", f"Type {kind} cannot answer this interaction.")}
        )
    message = _ANSWERS[kind](call, interaction, call.json.get("data") or {})
    interaction.ack_type = kind
    interaction.ack_latency_s = time.monotonic() - interaction.created_mono_s
    interaction.original_id = message.id if message else None
    call.world.touch()
    return _callback_answer(call, interaction, message) if call.query.get("with_response") else None


def _to_acknowledge(call: Call) -> Interaction:
    """Raises: ApiError: 10062 when unknown or too late, 40060 when answered before."""
    interaction = call.world.interactions.get(call.id("interaction"))
    if interaction is None or interaction.token != call.params["interaction_token"]:
        raise ApiError(10062)
    if interaction.ack_type is not None:
        raise ApiError(40060)
    if time.monotonic() - interaction.created_mono_s > call.world.ack_within_s:
        raise ApiError(10062)
    return interaction


def _callback_answer(call: Call, interaction: Interaction, message: Message | None) -> Json:
    kind = interaction.ack_type
    summary: Json = {
        "id": str(interaction.id),
        "type": interaction.type,
        "channel_id": str(interaction.channel_id),
    }
    answer: Json = {"interaction": summary}
    if kind in (MESSAGE, DEFER) and message is not None:
        summary["response_message_id"] = str(message.id)
        summary["response_message_loading"] = message.loading
        summary["response_message_ephemeral"] = message.ephemeral
    if kind in (MESSAGE, UPDATE) and message is not None:
        answer["resource"] = {"type": kind, "message": shown(call, message)}
    return answer


def _place(call: Call, interaction: Interaction) -> Channel:
    return call.world.channel(interaction.channel_id)


def _answer_message(call: Call, interaction: Interaction, data: Json) -> Message:
    place = _place(call, interaction)
    draft = bodies.draft(call, place, data, **_origin(interaction, data))
    return chat.post(call.world, place, draft)


def _origin(interaction: Interaction, data: Json) -> Json:
    """What every message born of an interaction carries; ephemeral ones are for its person only."""
    flags = int(data.get("flags") or 0)
    ephemeral = bool(flags & EPHEMERAL)
    reference = None
    if interaction.reply_type == REPLY and interaction.message_id is not None:
        reference = (interaction.channel_id, interaction.message_id)
    return {
        "flags": flags & (bodies.CREATE_FLAGS | EPHEMERAL),
        "seen_by": interaction.user_id if ephemeral else None,
        "type": interaction.reply_type,
        "interaction_id": interaction.id,
        "reference": reference,
    }


def _answer_later(call: Call, interaction: Interaction, data: Json) -> Message:
    origin = _origin(interaction, data)
    origin["flags"] |= LOADING
    draft = chat.Draft(author_id=call.world.bot_id, allowed_mentions={}, **origin)
    return chat.post(call.world, _place(call, interaction), draft)


def _component_message(call: Call, interaction: Interaction) -> Message:
    assert interaction.message_id is not None
    return call.world.message(interaction.channel_id, interaction.message_id)


def _update_later(call: Call, interaction: Interaction, data: Json) -> Message:
    return _component_message(call, interaction)


def _update(call: Call, interaction: Interaction, data: Json) -> Message:
    require_open(call, _place(call, interaction))
    return bodies.apply_edit(call, _component_message(call, interaction), data)


def _offer_choices(call: Call, interaction: Interaction, data: Json) -> None:
    limits.check_choices(data.get("choices") or [])
    interaction.choices = data.get("choices") or []


def _open_modal(call: Call, interaction: Interaction, data: Json) -> None:
    limits.check_modal(data)
    interaction.modal = data


_ANSWERS = {
    MESSAGE: _answer_message,
    DEFER: _answer_later,
    DEFER_UPDATE: _update_later,
    UPDATE: _update,
    CHOICES: _offer_choices,
    OPEN_MODAL: _open_modal,
}


# --- the webhook of an interaction


def _answered(call: Call) -> Interaction:
    """The interaction behind a webhook token.

    Raises: ApiError: 10015 when unknown or not acknowledged yet, 50027 after fifteen minutes.
    """
    token = call.params["webhook_token"]
    held = call.world.interactions.values()
    interaction = next((entry for entry in held if entry.token == token), None)
    if interaction is None or call.id("webhook") != call.world.application_id:
        raise ApiError(10015)
    if call.world.now_s() - interaction.created_at_s > call.world.token_lifetime_s:
        raise ApiError(50027)
    if interaction.ack_type is None:
        raise ApiError(10015)
    return interaction


def _its_message(call: Call) -> Message:
    """The message of the path: `@original`, or one that this interaction made or was pressed on."""
    interaction = _answered(call)
    wanted = (
        int(call.params["message_id"]) if "message_id" in call.params else interaction.original_id
    )
    own = (interaction.original_id, interaction.message_id, *interaction.followup_ids)
    if wanted is None or wanted not in own:
        raise ApiError(10008)
    return call.world.message(interaction.channel_id, wanted)


def follow_up(call: Call) -> Json:
    """Post a further message; the first one after a deferral fills the waiting message instead."""
    interaction = _answered(call)
    world, place = call.world, _place(call, interaction)
    original = world.find_message(interaction.original_id or 0)
    if original is not None and original.loading and not original.deleted:
        return shown(call, bodies.apply_edit(call, original, call.json))
    origin = _origin(interaction, call.json)
    origin |= {"type": REPLY, "reference": (place.id, interaction.original_id)}
    if interaction.original_id is None:
        origin |= {"type": interaction.reply_type, "reference": None}
    message = chat.post(world, place, bodies.draft(call, place, call.json, **origin))
    interaction.followup_ids.append(message.id)
    return shown(call, message)


def get_its_message(call: Call) -> Json:
    return shown(call, _its_message(call))


def edit_its_message(call: Call) -> Json:
    message = _its_message(call)
    require_open(call, call.world.channel(message.channel_id))
    return shown(call, bodies.apply_edit(call, message, call.json))


def delete_its_message(call: Call) -> None:
    chat.delete(call.world, _its_message(call))


_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"


def _both(method: str, handler: Handler) -> list[Route]:
    """The operation on `@original` and on a message by id."""
    templates = (f"{_WEBHOOK}/messages/@original", f"{_WEBHOOK}/messages/{{message_id}}")
    return [Route(method, template, handler, authorized=False) for template in templates]


ROUTES = [
    Route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        callback,
        authorized=False,
    ),
    Route("POST", _WEBHOOK, follow_up, authorized=False),
    *_both("GET", get_its_message),
    *_both("PATCH", edit_its_message),
    *_both("DELETE", delete_its_message),
]
