#!/usr/bin/env python3
"""Submits a job to Drover by AMQP and prints its id:  submit.py TYPE PARAMS-AS-JSON [KEY]

The same key makes no second job. Exit code: 0 accepted, 1 refused, 2 not answered. Needs pika (Debian: python3-pika).
"""
import json, os, sys, time, uuid
import pika

job_type, params, key = (sys.argv[1:] + [str(uuid.uuid4())])[:3]
url = os.environ.get("AMQP_URL", "amqp://submitter:submitter@127.0.0.1:5672/drover")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()  # publishing raises an error unless the broker has taken the message
answers = []
reply_to = "amq.rabbitmq.reply-to"  # answers come to this channel: no queue is needed, and no right to one
channel.basic_consume(reply_to, lambda _channel, _method, _properties, body: answers.append(json.loads(body)), auto_ack=True)
properties = pika.BasicProperties(message_id=key, app_id="submit.py", reply_to=reply_to, delivery_mode=2,
                                  type="drover.submission.v1", content_type="application/json")
body = json.dumps({"type": job_type, "params": json.loads(params)})
channel.basic_publish("drover.submit", "", body, properties, mandatory=True)
deadline = time.monotonic() + 30
while not answers and time.monotonic() < deadline:
    connection.process_data_events(time_limit=1)
if not answers:
    sys.exit(print("no answer; submit it again with the key", key, file=sys.stderr) or 2)
if "error" in answers[0]:
    sys.exit(f"{answers[0]['error']['kind']}: {answers[0]['error']['message']}")
print(answers[0]["id"])
