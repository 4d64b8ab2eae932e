# A caller as RabbitMQ's tutorial 6 describes it: asks each argument of `rpc_queue` and prints the answers as they are.
#
# rpc_client.py URL BODY...
import asyncio
import sys
import uuid

import aio_pika


async def main(url: str, bodies: list[str]) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        callback = await channel.declare_queue(exclusive=True)
        waiting: dict[str, asyncio.Future] = {}

        def on_reply(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            answer = waiting.pop(message.correlation_id, None)
            if answer is not None:
                answer.set_result(message.body)

        await callback.consume(on_reply, no_ack=True)
        for body in bodies:
            correlation_id = str(uuid.uuid4())
            waiting[correlation_id] = asyncio.get_running_loop().create_future()
            answer = waiting[correlation_id]
            request = aio_pika.Message(body.encode(), correlation_id=correlation_id, reply_to=callback.name)
            await channel.default_exchange.publish(request, routing_key="rpc_queue")
            print((await asyncio.wait_for(answer, 10)).decode(), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
