"""Hugging Face's own rendering: reads {templates: {name: text}, conversations: [{messages, tools}]}, prints {name: [text | null]}."""

import json
import logging
import sys

from transformers.utils.chat_template_utils import render_jinja_template

logging.disable(logging.CRITICAL)
asked = json.load(sys.stdin)


def text(template, conversation):
    """None where the template refuses the conversation."""
    try:
        texts, _ = render_jinja_template(
            [conversation["messages"]],
            tools=conversation["tools"],
            chat_template=template,
            add_generation_prompt=True,
            bos_token="<s>",
            eos_token="</s>",
        )
        return texts[0]
    except Exception:
        return None


print(json.dumps({name: [text(template, each) for each in asked["conversations"]] for name, template in asked["templates"].items()}))
