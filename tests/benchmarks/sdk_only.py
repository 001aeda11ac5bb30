"""The peer of `flux -p`: a script that asks one question with a vendor's SDK and prints the answer.

`python sdk_only.py anthropic|openai BASE_URL`; nothing of Flux is imported.
"""

import sys

vendor, base_url = sys.argv[1:]
if vendor == "anthropic":
    from anthropic import Anthropic

    for event in Anthropic(base_url=base_url, api_key="not-a-key").messages.create(
        model="claude-sonnet-5-5", max_tokens=8192, messages=[{"role": "user", "content": "hello"}], stream=True
    ):
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            print(event.delta.text, end="")
else:
    from openai import OpenAI

    for event in OpenAI(base_url=base_url, api_key="not-a-key").responses.create(
        model="gpt-6.1-sol", input="hello", stream=True
    ):
        if event.type == "response.output_text.delta":
            print(event.delta, end="")
