"""Limited coupons as tutorials build them: FastAPI, one Lua script on Redis, one confirmed message to RabbitMQ.

It keeps none of the promises that openrun makes beyond the script: a process that dies between the script and the
confirm loses a coupon that its member may have been told of. It is here to be measured.
"""

import os
import secrets
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import aio_pika
import redis.asyncio as redis
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

QUEUE = os.environ.get("QUEUE", "issuances")

# KEYS[1] stock, KEYS[2] the set of members; ARGV[1] the member.
# Returns -1 if the member has one, 0 if there is none left, and the sequence otherwise.
ISSUE = """
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then
  return -1
end
if tonumber(redis.call('GET', KEYS[1]) or '0') <= 0 then
  return 0
end
redis.call('DECR', KEYS[1])
redis.call('SADD', KEYS[2], ARGV[1])
return redis.call('SCARD', KEYS[2])
"""


class Ask(BaseModel):
    member_id: str = Field(min_length=1, max_length=128)


class Issuance(BaseModel):
    coupon_id: str
    member_id: str
    sequence: int
    code: str
    status: str
    issued_at: datetime


@asynccontextmanager
async def lifespan(app: FastAPI):
    client = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    # Confirms are aio-pika's default; this makes them explicit.
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(QUEUE, durable=True)
    app.state.issue = client.register_script(ISSUE)
    app.state.exchange = channel.default_exchange
    yield
    await connection.close()
    await client.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/coupons/{coupon_id}/issuances", status_code=201, response_model=Issuance)
async def issue(coupon_id: str, ask: Ask):
    keys = [f"coupon:{coupon_id}:stock", f"coupon:{coupon_id}:members"]
    sequence = await app.state.issue(keys=keys, args=[ask.member_id])
    if sequence == 0:
        return JSONResponse({"code": "sold_out", "detail": "every coupon has been issued"}, status_code=409)
    if sequence == -1:
        return JSONResponse({"code": "already_issued", "detail": "the member holds one"}, status_code=200)
    issuance = Issuance(
        coupon_id=coupon_id,
        member_id=ask.member_id,
        sequence=sequence,
        code=secrets.token_hex(10),
        status="UNUSED",
        issued_at=datetime.now(timezone.utc),
    )
    message = aio_pika.Message(
        issuance.model_dump_json().encode(),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await app.state.exchange.publish(message, routing_key=QUEUE)
    return issuance
