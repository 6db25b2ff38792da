"""Saving things as files: at once if they are small, else made by a worker; and the page of those.

Whoever asked may fetch a file, as long as they see every account whose rows are inside.
"""

from tempfile import TemporaryFile
from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loans import tasks
from loans.htmx import HtmxHttpRequest, render_page
from loans.models import Account, Job, Kind
from loans.services import archive as archives
from loans.services import file_forms, history, jobs
from loans.services.file_forms import FORMS, Form
from loans.services.filters import HistoryFilter
from loans.services.jobs import TooMany
from loans.tasks.bell import ring
from loans.tasks.jobs import folder
from loans.views import job_rows
from loans.views.keys import see_other
from loans.views.who import who


@require_safe
def index(request: HtmxHttpRequest) -> HttpResponse:
    """The person's files: being made, ready, and gone."""
    now = timezone.now()
    rows = job_rows.present(jobs.listed(request.user), now=now)
    context = {
        "now": now,
        "rows": rows,
        "is_busy": any(row.job.is_open for row in rows),
        "kept_days": jobs.KEPT.days,
        "accounts": Account.objects.visible_to(request.user),
    }
    return render_page(request, "loans/files.html", context, partials=("file-jobs",))


@require_safe
def save(request: HtmxHttpRequest, kind: str, slug: str) -> HttpResponse:
    """A list as a file: exactly the rows, the order, the range and the zone of the page."""
    form, kind = _form(slug), _kind(kind)
    chosen = _chosen(request)
    if chosen.errors:
        return HttpResponse(_refusal(chosen), status=400, content_type="text/plain")
    if form.count(kind, chosen) > form.at_once:
        address = f"{reverse('loans:file_ask')}?{file_forms.address(form, kind, chosen)}"
        response = HttpResponse(status=303)
        response.headers["Location"] = address
        return response
    return _at_once(form, kind, chosen)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HtmxHttpRequest) -> HttpResponse:
    """A file too large to wait for: say so, and have it made on the person's word."""
    fields = request.POST if request.method == "POST" else request.GET
    form, kind = _form(fields.get("form", "")), _kind(fields.get("kind", ""))
    accounts = Account.objects.visible_to(request.user)
    zone = timezone.get_current_timezone()
    chosen = history.read(fields, accounts=accounts, zone=zone)
    if request.method == "POST" and not chosen.errors:
        return _place_export(request, form, kind, chosen)
    context = {
        "form": form,
        "kind": kind,
        "chosen": chosen,
        "count": f"{form.count(kind, chosen):,}",
        "name": form.file_name(kind, chosen),
        "fields": [("form", form.slug), ("kind", kind), *file_forms.query_of(chosen).items()],
        "kept_days": jobs.KEPT.days,
        "refusal": _refusal(chosen) if chosen.errors else "",
        "back": f"{reverse(f'loans:history_{kind}s')}?{chosen.query}",
    }
    status = 400 if chosen.errors else 200
    return render_page(request, "loans/file_ask.html", context, status=status)


@require_POST
def archive(request: HtmxHttpRequest) -> HttpResponse:
    """Have the whole history of one account loaded and saved."""
    account = _account(request)
    by = who(request, timezone.now())
    return _place(request, kind=Job.Kind.ARCHIVE, accounts=[account], by=by, parameters={})


@require_safe
def fetch(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """The file itself, or a sentence saying why there is none."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    place, now = folder().place_of(job), timezone.now()
    if job.state != Job.State.DONE or job.expires_at <= now or not place.is_file():
        row = job_rows.present([job], now=now)[0]
        return render_page(request, "loans/file_gone.html", {"row": row, "now": now}, status=410)
    response = FileResponse(place.open("rb"), content_type=job.media_type)
    return _as_download(response, job.file_name)


@require_POST
def cancel(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Stop making a file, and keep nothing of it."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    if jobs.cancel(job, now=timezone.now()):
        folder().clear(job)
        messages.success(request, "Cancelled: nothing of it is kept.")
    else:
        messages.info(request, "It was finished already.")
    return see_other("loans:files")


@require_POST
def hand_out(request: HtmxHttpRequest, pk: UUID) -> HttpResponse:
    """Do not wait for the exchange any longer: make the archive of what is there."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    if archives.hand_out_now(job, now=timezone.now()):
        ring(tasks.run_job, str(job.pk))
        messages.success(request, "The archive is made of what is there; its index says so.")
    else:
        messages.info(request, "The exchange is being read just now; nothing was changed.")
    return see_other("loans:files")


def _at_once(form: Form, kind: str, chosen: HistoryFilter) -> HttpResponse:
    now = timezone.now()
    if form.pieces:
        pieces = form.pieces(kind, chosen, now)
        response = StreamingHttpResponse(pieces, content_type=form.media_type)
    else:
        out = TemporaryFile()  # noqa: SIM115 (the response closes it)
        for _ in file_forms.write(form, kind, chosen, out, now=now):
            pass
        out.seek(0)
        response = FileResponse(out, content_type=form.media_type)
    return _as_download(response, form.file_name(kind, chosen))


def _as_download(response: HttpResponse, name: str) -> HttpResponse:
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _place_export(
    request: HtmxHttpRequest, form: Form, kind: str, chosen: HistoryFilter
) -> HttpResponse:
    parameters = {
        "form": form.slug,
        "kind": kind,
        "query": file_forms.query_of(chosen),
        "zone": str(chosen.zone),
        "words": chosen.words,
    }
    by = who(request, timezone.now())
    return _place(
        request, kind=Job.Kind.EXPORT, accounts=chosen.chosen, by=by, parameters=parameters
    )


def _place(request: HtmxHttpRequest, **asked: object) -> HttpResponse:
    try:
        job = jobs.place(**asked)
    except TooMany as exc:
        messages.error(request, str(exc))
    else:
        ring(tasks.run_job, str(job.pk))
    return see_other("loans:files")


def _chosen(request: HtmxHttpRequest) -> HistoryFilter:
    accounts = Account.objects.visible_to(request.user)
    return history.read(request.GET, accounts=accounts, zone=timezone.get_current_timezone())


def _form(slug: str) -> Form:
    if slug not in FORMS:
        raise Http404("no such form")
    return FORMS[slug]


def _kind(text: str) -> str:
    if text not in Kind.values:
        raise Http404("no such list")
    return text


def _account(request: HtmxHttpRequest) -> Account:
    """The one named in the form, if the person sees it; a text that is no id names none."""
    try:
        wanted = UUID(request.POST.get("account", ""))
    except ValueError:
        raise Http404("no such account") from None
    return get_object_or_404(Account.objects.visible_to(request.user), pk=wanted)


def _refusal(chosen: HistoryFilter) -> str:
    """No file at all is better than one that holds other rows than were asked for."""
    lines = [f"{name}: {sentence}" for name, sentence in chosen.errors.items()]
    return "No file was made, because a part of the filter could not be read.\n" + "\n".join(lines)
