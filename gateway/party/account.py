"""The caller's own: who am I."""

from gateway.call import Answer, Call
from gateway.party import commands, outputs
from gateway.routing import ANY, Routes

routes = Routes("Account")


@routes.get("/me", scope=ANY, answers={200: outputs.Me})
async def get_me(call: Call) -> Answer:
    """Tell whom the token stands for."""
    who = call.caller.identity
    user = await call.backends.user(str(commands.user_id(call)))
    data = {
        "id": str(user.id),
        "public_id": user.public_id,
        "marketplace_id": str(who.marketplace_id),
        "role": who.role,
    }
    return Answer(body=data)
