"""What recording LangChain runs costs the application, beside what others cost.

    python tests/benchmarks                 # all of it, about twenty minutes
    python tests/benchmarks --only cpu      # one part: cpu, flush, memory, pipeline, readability,
                                            # peers, backends
    python tests/benchmarks --quick         # shows that everything runs; the numbers say little

One run prints one table, one for readability, one for peers and one for
backends. In the first, three columns stand
beside each other, measured in that run:

* **ours**: ``clearml_otel.ClearMLCallbackHandler``, offline.
* **bare spans**: a handler that makes one span a run with three attributes and keeps it in a list;
  nothing that is built on spans can cost less.
* **old handler**: ``langchain_community.callbacks.ClearMLCallbackHandler``, offline.

Read the ratios: machines differ and are busy, ratios hold. Below 1.00x ours costs less. A ratio is
the median of the ratios of each round, in which the handlers take turns; the other numbers are
medians of the rounds. *Noise* is the standard error of the noisier ratio: a change of less than
twice that says nothing.

**cpu**: CPU time of the thread that calls LangChain (``time.thread_time``), less what the same
calls cost with no handler in the same round. What happens in other threads is not in it, nor are
the rare collections of Python's oldest generation, which medians leave out. *LLM call*: a
completion model whose answer, never the same twice, has so many words. *Streamed token*: between
the first and the last token of an answer, so that the call's start and end are not in it. *Nested
chain run*: one of ten ``RunnableLambda`` inside each other.

**flush**: ``flush_tracker`` after that many action records (two a call, answers of 40 words), each
time in a new process that has flushed once before. *Wall* is what the caller waits, *app thread*
the CPU time of its thread, *process* that of all threads. ``flush_timeout_s`` is raised, so that
our flush returns only when everything is published; by default it returns after 10 s and goes on
in the background. The rows of both results are counted afterwards.

**memory**: growth over 10,000 calls (answers of 100 words, nothing flushed), measured before and
after the flush: *live* is what ``tracemalloc`` knows, *RSS* what the process takes. The peak is the
highest RSS until the flush's end. Bare spans are kept until the "flush" drops them.

**pipeline**: what a span costs on its way from the processor to the tables: CPU time of the thread
that does it, batches of 512 LLM calls, ours beside OpenTelemetry's own encoders; then small traces
through the processor. *Processor and assembly* is what its caller pays, less what the same spans
cost with a processor that does nothing; the rest happens in the background, unless spans come
*without a pause*: then the caller helps, so that memory stays bounded, and the CPU time is of all.

**readability**: the 16 metrics of one English text never met before, CPU time of its thread, beside
textstat: the installed version and 0.7.4, each called once for each metric. *First text*: the
engine is as after its start. *All words new*: it does not even know the words that it knows from
the start. *Known words*: it has met all words, but not this text. textstat's caches are emptied
before each text, except for *known words*; those of its pyphen too.

**peers**: what other instrumentations of LangChain add to a run, with content on, beside
``clearml_otel.LangChainInstrumentor``: OpenInference, Traceloop, the official GenAI one and
Langfuse, each as its documentation turns it on, and a handler that is called and does nothing.
Finished spans are dropped at once, so that no exporter is in it, Langfuse's own neither. CPU time
of the calling thread, less that of the same calls without instrumentation in the same rounds; in
an event loop that of the process, since handlers that are not inline work in other threads there.
*Chain run, nested*: as above; *sequence*: one of a sequence of nine steps and itself. *Completion
LLM* and *chat model*: answers of 20 words. *No-op + its sync*: what a no-op handler adds in the
loop and what the same instrumentation adds without one. Where an instrumentation makes fewer spans
than there are runs, a note says so: its number is low because it records less.

**backends**: what a call of a chat model takes the application where its spans go nowhere, to
ClearML (offline), or to ClearML and two OTLP/HTTP backends in processes of their own; and with one
of these not there. By the clock, and in CPU time of the calling thread; between the calls it waits
5 ms, in which exporters work. ± is the standard error.

The old handler does not run as it is. For its measurements ``spacy`` is an empty stand-in (it loads
spaCy and a model even where nothing is visualised; its time and memory are left out), and its
readability metrics come from textstat 0.7.4, whose numbers ours are; that version is installed
into a temporary folder. What still cannot be run is called "not runnable", with the reason. Where
callbacks of a handler raised, a note says how many: what they would have recorded is lost, and
LangChain's logging of the error is part of what is measured.

Each configuration runs in a process of its own (``worker.py``), which the measuring process
(``driver.py``) tells what to do.
"""

from __future__ import annotations
