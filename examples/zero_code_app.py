"""A LangChain application that knows nothing of tracing: one command puts its runs into ClearML.

    pip install "clearml-otel[langchain]"
    pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http
    export CLEARML_OFFLINE_MODE=1  # keep the results on this machine
    export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_METRICS_EXPORTER=none
    OTEL_TRACES_EXPORTER=otlp,clearml opentelemetry-instrument python zero_code_app.py

The spans go to OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318 by default) as well, and where
nobody listens there, ClearML has its tables all the same.
"""

from __future__ import annotations

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

ANSWERS = [
    "Why did the fish blush? It saw the bottom of the sea.",
    "What did one wall say to the other? I will meet you at the corner.",
]


def main() -> None:
    prompt = ChatPromptTemplate.from_template("Tell me a joke about {topic}.")
    chain = prompt | FakeListChatModel(responses=ANSWERS) | StrOutputParser()
    for topic in ("fish", "walls"):
        print(chain.invoke({"topic": topic}))


if __name__ == "__main__":
    main()
