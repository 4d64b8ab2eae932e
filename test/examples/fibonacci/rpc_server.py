# A server as RabbitMQ's tutorial 6 describes it: declares `rpc_queue`, takes one number at a time and answers it.
#
# rpc_server.py URL transient|quorum
import asyncio
import sys

import aio_pika

SHAPES = {
    "transient": {"durable": False},
    "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}},
}


def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


async def main(url: str, shape: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        requests = await channel.declare_queue("rpc_queue", **SHAPES[shape])
        async with requests.iterator() as messages:
            print("ready", flush=True)
            async for message in messages:
                answer = aio_pika.Message(
                    str(fibonacci(int(message.body))).encode(), correlation_id=message.correlation_id
                )
                await channel.default_exchange.publish(answer, routing_key=message.reply_to)
                await message.ack()


asyncio.run(main(sys.argv[1], sys.argv[2]))
