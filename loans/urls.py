"""The application's URLs, each group one page family: part of the outside contract."""

from django.urls import URLPattern, path

from loans.models import Kind
from loans.views import (
    alerts,
    audit,
    borrow_repay,
    files,
    health,
    history,
    instructions,
    key_switches,
    keys,
    loans,
    overview,
    people,
    rates,
    statements,
    status,
    team,
)

app_name = "loans"

# Health: open, and silent on anything private
health_urls = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

# Rates: what borrowing costs
rates_urls = [
    path("rates/", rates.rates, name="rates"),
    path("rates.csv", rates.rates_csv, name="rates_csv"),
    path("rates/<str:symbol>/", rates.rate, name="rate"),
]

# Keys: what is connected, and its switches
keys_urls = [
    path("keys/", keys.index, name="keys"),
    path("keys/add/", keys.add, name="key_add"),
    path("keys/paper/", keys.connect_paper, name="key_paper"),
    path("keys/all/<slug:deed>/", key_switches.act_on_site, name="site_act"),
    path("keys/<uuid:pk>/", keys.page, name="key"),
    path("keys/<uuid:pk>/replace/", keys.replace, name="key_replace"),
    path("keys/<uuid:pk>/remove/", keys.remove, name="key_remove"),
    path("keys/<uuid:pk>/rename/", keys.rename, name="key_rename"),
    path("keys/<uuid:pk>/mode/", key_switches.change_mode, name="key_mode"),
    path("keys/<uuid:pk>/<slug:deed>/", key_switches.act, name="key_act"),
]

# House: who sees what, who did what, how everything is
house_urls = [
    path("team/", team.index, name="team"),
    path("team/<int:pk>/", team.change, name="share"),
    path("audit/", audit.index, name="audit"),
    path("alerts/", alerts.index, name="alerts"),
    path("status/", status.index, name="status"),
    path("metrics", status.metrics, name="metrics"),
    path("settings/", people.settings_page, name="settings"),
]

# Borrow and repay: the form, then the confirmation, which leads to an instruction
trade_urls = [
    path("borrow/", borrow_repay.borrow, name="borrow"),
    path("borrow/confirm/", borrow_repay.confirm_borrow, name="confirm_borrow"),
    path("repay/", borrow_repay.repay, name="repay"),
    path("repay/confirm/", borrow_repay.confirm_repay, name="confirm_repay"),
]

# Instructions: the list, each one's page, and what a person can do there
instruction_urls = [
    path("instructions/", instructions.instruction_list, name="instructions"),
    path("instructions/<uuid:pk>/", instructions.instruction, name="instruction"),
    path("instructions/<uuid:pk>/cancel/", instructions.cancel, name="cancel_instruction"),
    path("instructions/<uuid:pk>/decide/", instructions.decide, name="decide_instruction"),
]

# Overview and loans: what is owed, and the story of each loan
loans_urls = [
    path("", overview.overview, name="overview"),
    path("loans/", loans.loans, name="loans"),
    path("loans/<uuid:uuid>/", loans.loan, name="loan"),
    path("loans/<uuid:uuid>/charges.csv", loans.charges_csv, name="loan_charges"),
]

# History: what happened, proven complete, and files of it
_BORROWS, _REPAYS = {"kind": Kind.BORROW}, {"kind": Kind.REPAY}
history_urls = [
    path("history/", history.landing, name="history"),
    path("history/borrows/", history.records, _BORROWS, name="history_borrows"),
    path("history/repays/", history.records, _REPAYS, name="history_repays"),
    path("history/statement/", statements.statement, name="history_statement"),
    path("history/statement.csv", statements.statement_csv, name="history_statement_csv"),
    path("history/borrows.<slug:slug>", files.save, _BORROWS, name="history_borrows_file"),
    path("history/repays.<slug:slug>", files.save, _REPAYS, name="history_repays_file"),
]

# Files: what a worker makes for a person, while it is made and until it is deleted
files_urls = [
    path("files/", files.index, name="files"),
    path("files/new/", files.ask, name="file_ask"),
    path("files/archive/", files.archive, name="file_archive"),
    path("files/<uuid:pk>/", files.fetch, name="file"),
    path("files/<uuid:pk>/cancel/", files.cancel, name="file_cancel"),
    path("files/<uuid:pk>/hand-out/", files.hand_out, name="file_hand_out"),
]

# Each is tried in turn: first those whose pages are turned and refreshed all day.
urlpatterns: list[URLPattern] = [
    *history_urls,
    *loans_urls,
    *rates_urls,
    *health_urls,
    *files_urls,
    *keys_urls,
    *house_urls,
    *trade_urls,
    *instruction_urls,
]
