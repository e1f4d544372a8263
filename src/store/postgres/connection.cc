#include "store/postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace mesh {
namespace {

constexpr int kOldestServer = 130000;
constexpr std::chrono::milliseconds kLongestPoll{100};

const char* tls_mode(PostgresTls mode) {
  switch (mode) {
    case PostgresTls::Disable: return "disable";
    case PostgresTls::VerifyNone: return "require";
    case PostgresTls::VerifyCa: return "verify-ca";
    case PostgresTls::VerifyFull: return "verify-full";
  }
  return "verify-full";
}

// libpq's messages end with a line break and may have several lines.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\n' && c != '\t')
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string where(const PostgresServer& server) {
  return fmt::format("database \"{}\" at {}:{}", server.database, server.host, server.port);
}

bool is_class(std::string_view state, std::string_view prefix) { return state.starts_with(prefix); }

// Errors that pass by themselves, or when somebody looks after the server.
bool is_away(std::string_view state) {
  return is_class(state, "08") || is_class(state, "53") || is_class(state, "57") || is_class(state, "58") ||
         is_class(state, "40") || is_class(state, "28") || state == "55P03" || state == "25006" || state == "25P03" ||
         state == "3D000" || state == "42P01" || state == "3F000" || state == "42501";
}

struct Parameters {
  std::vector<const char*> names;
  std::vector<std::string> values;
  void add(const char* name, std::string value) {
    names.push_back(name);
    values.push_back(std::move(value));
  }
};

Parameters parameters_of(const PostgresServer& server, const Secret& password) {
  Parameters out;
  out.add("host", server.host);
  out.add("port", std::to_string(server.port));
  out.add("user", server.user);
  out.add("password", password.reveal());
  out.add("dbname", server.database);
  out.add("application_name", "taskmesh-cp");
  out.add("client_encoding", "UTF8");
  out.add("connect_timeout", std::to_string(server.connect_timeout.count()));
  out.add("target_session_attrs", "read-write");
  // A network that swallows packets is noticed within about ten seconds.
  out.add("keepalives_idle", "5");
  out.add("keepalives_interval", "2");
  out.add("keepalives_count", "3");
  out.add("tcp_user_timeout", "10000");
  out.add("gssencmode", "disable");
  out.add("sslmode", tls_mode(server.tls));
  if (server.tls == PostgresTls::Disable) return out;
  if (!server.ca_file.empty() && server.tls != PostgresTls::VerifyNone) out.add("sslrootcert", server.ca_file);
  if (!server.certificate_file.empty()) out.add("sslcert", server.certificate_file);
  if (!server.key_file.empty()) out.add("sslkey", server.key_file);
  out.add("sslsni", server.send_server_name ? "1" : "0");
  return out;
}

}  // namespace

std::string_view postgres_advice(std::string_view state) {
  if (state == "42P01" || state == "3F000") return "run \"taskmesh-cp migrate up\" first";
  if (state == "42501") return "the user needs rights on the schema \"taskmesh\"";
  if (state == "53100") return "free some space on the server; nothing that was answered is lost";
  if (state == "53300") return "raise max_connections of the server, or lower store.postgres.maxOpenConnections";
  if (state == "25006") return "it takes no writes now: name the primary";
  if (state == "57014") return "it took too long; look at the server's load";
  if (state == "55P03") return "somebody else holds a lock for long; look at pg_stat_activity";
  return {};
}

// ---- DatabaseLives

bool DatabaseLives::is_over(const std::string& epoch) const {
  const auto slash = epoch.find('/');
  if (slash == std::string::npos) return false;
  std::lock_guard lock(mutex_);
  const auto newest = newest_.find(epoch.substr(0, slash));
  return newest != newest_.end() && epoch.substr(slash + 1) < newest->second;  // of the same length, both
}

void DatabaseLives::note(const std::string& epoch) {
  const auto slash = epoch.find('/');
  if (slash == std::string::npos) return;
  std::lock_guard lock(mutex_);
  std::string& newest = newest_[epoch.substr(0, slash)];
  newest = std::max(newest, epoch.substr(slash + 1));
}

// ---- PostgresRows

void PostgresRows::Clear::operator()(pg_result* result) const { PQclear(result); }
int PostgresRows::count() const { return PQntuples(result_.get()); }
bool PostgresRows::is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
std::string_view PostgresRows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::int64_t PostgresRows::number(int row, int column) const {
  const std::string_view digits = text(row, column);
  std::int64_t out = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return read.ec == std::errc() ? out : 0;
}

// ---- PostgresConnection

void PostgresConnection::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresServer& server) {
  Secret password = server.password;
  if (server.fetch_password) {
    Result<Secret> fetched = server.fetch_password();
    if (!fetched.has_value()) {
      Error failed = with_context(std::move(fetched).error(), "a password for " + where(server));
      failed.kind = ErrorKind::Unavailable;  // whatever is missing there: nobody's resource is
      return failed;
    }
    password = *std::move(fetched);
  }
  PostgresServer asked = server;
  const auto hosts = std::ranges::count(server.host, ',') + 1;
  for (std::ptrdiff_t i = 0; i < hosts; ++i) {
    MESH_TRY(std::unique_ptr<PostgresConnection> opened, open_one(asked, password));
    if (!server.lives->is_over(opened->epoch())) {
      server.lives->note(opened->epoch());
      return opened;
    }
    // The first that takes writes was given: behind it there may be the one that replaced it.
    const auto comma = asked.host.find(',');
    if (comma != std::string::npos) asked.host = asked.host.substr(comma + 1) + "," + asked.host.substr(0, comma);
  }
  return error(ErrorKind::Unavailable,
               where(server) +
                   " takes writes, but was replaced by another primary; whoever made that one the primary "
                   "must keep this one from being one, too");
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open_one(const PostgresServer& server,
                                                                         const Secret& password) {
  const Parameters parameters = parameters_of(server, password);
  std::vector<const char*> names = parameters.names;
  std::vector<const char*> values;
  for (const std::string& value : parameters.values) values.push_back(value.c_str());
  names.push_back(nullptr);
  values.push_back(nullptr);

  std::unique_ptr<PostgresConnection> out(new PostgresConnection());
  out->where_ = where(server);
  out->answer_timeout_ = server.answer_timeout;
  out->connection_.reset(PQconnectdbParams(names.data(), values.data(), 0));
  if (out->connection_ == nullptr) return error(ErrorKind::Internal, "no memory for a connection");
  if (PQstatus(out->connection_.get()) != CONNECTION_OK)
    return error(ErrorKind::Unavailable, fmt::format("cannot connect to {} as \"{}\": {}", out->where_, server.user,
                                                     one_line(PQerrorMessage(out->connection_.get()))));
  if (PQserverVersion(out->connection_.get()) < kOldestServer)
    return error(ErrorKind::Unavailable, fmt::format("{} is PostgreSQL {}; 13 or newer is needed", out->where_,
                                                     PQserverVersion(out->connection_.get()) / 10000));
  PQsetNoticeProcessor(out->connection_.get(), [](void*, const char*) {}, nullptr);
  MESH_RETURN_IF_ERROR(out->set_up(server));
  return out;
}

Status PostgresConnection::set_up(const PostgresServer& server) {
  MESH_RETURN_IF_ERROR(run(fmt::format(
      "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
      server.statement_timeout.count(), server.lock_timeout.count(), server.idle_transaction_timeout.count())));
  // Nothing is answered that a crash may take back, whatever the role is set to.
  MESH_RETURN_IF_ERROR(
      run("SELECT set_config('synchronous_commit', 'on', false) "
          "WHERE current_setting('synchronous_commit') = 'off'"));
  MESH_TRY(const std::vector<PostgresRows> system, run("SELECT system_identifier FROM pg_control_system()"));
  epoch_ = system.front().text(0, 0);
  // The first eight digits of a segment's name are the timeline. Some services do not tell; then a failover does not
  // lose what was committed either.
  const Result<std::vector<PostgresRows>> segment = run("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)");
  if (segment.has_value())
    epoch_ += "/" + std::string(segment->front().text(0, 0));
  else if (is_broken())
    return Error(segment.error());
  return {};
}

Result<PostgresRows> PostgresConnection::ask(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  auto known = prepared_.find(sql);
  if (known == prepared_.end()) {
    const std::string name = "s" + std::to_string(prepared_.size());
    if (PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), static_cast<int>(parameters.size()), nullptr) == 0)
      return failure(nullptr);
    MESH_RETURN_IF_ERROR(last_answer());
    known = prepared_.emplace(sql, name).first;
  }
  if (PQsendQueryPrepared(connection_.get(), known->second.c_str(), static_cast<int>(values.size()), values.data(),
                          nullptr, nullptr, 0) == 0)
    return failure(nullptr);
  return last_answer();
}

Result<PostgresRows> PostgresConnection::last_answer() {
  const SteadyTime until = real_clock().steady() + answer_timeout_;
  PostgresRows last;
  std::optional<Error> failed;
  for (;;) {
    MESH_RETURN_IF_ERROR(wait_for_answer(until));
    pg_result* result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    last = PostgresRows(result);
    const auto status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && !failed) failed = failure(result);
  }
  if (failed) return *failed;
  if (is_broken()) return failure(nullptr);
  return last;
}

// Until the next answer can be taken without waiting, or there is none to come.
Status PostgresConnection::wait_for_answer(SteadyTime until) {
  while (PQisBusy(connection_.get()) != 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - real_clock().steady());
    pollfd waiting{PQsocket(connection_.get()), POLLIN, 0};
    if (left.count() <= 0) {
      is_given_up_ = true;
      last_state_.clear();
      return error(ErrorKind::Unavailable, fmt::format("{}: gave no answer within {} s", where_,
                                                       std::chrono::duration<double>(answer_timeout_).count()));
    }
    // Not for long at once: what TLS has decrypted already makes no socket readable.
    (void)::poll(&waiting, 1, static_cast<int>(std::min(left, kLongestPoll).count()));
    // What is wrong with the connection is in the answer that is taken next.
    if (PQconsumeInput(connection_.get()) == 0) return {};
  }
  return {};
}

Result<std::vector<PostgresRows>> PostgresConnection::run(const std::string& script) {
  if (PQsendQuery(connection_.get(), script.c_str()) == 0) return failure(nullptr);
  std::vector<PostgresRows> out;
  std::optional<Error> failed;
  const SteadyTime until = real_clock().steady() + answer_timeout_;
  for (;;) {
    MESH_RETURN_IF_ERROR(wait_for_answer(until));
    pg_result* result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    out.emplace_back(result);
    const auto status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && !failed) failed = failure(result);
  }
  if (failed) return *failed;
  if (is_broken()) return failure(nullptr);
  return out;
}

bool PostgresConnection::is_broken() const { return is_given_up_ || PQstatus(connection_.get()) != CONNECTION_OK; }

bool PostgresConnection::is_idle() const {
  return !is_broken() && PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
}

Result<std::vector<std::string>> PostgresConnection::wait_for_notifications(int wake,
                                                                            std::chrono::milliseconds at_most) {
  std::vector<std::string> out;
  const auto collect = [&] {
    while (PGnotify* notice = PQnotifies(connection_.get())) {
      out.emplace_back(notice->extra);
      PQfreemem(notice);
    }
  };
  collect();
  if (!out.empty()) return out;
  std::array<pollfd, 2> waiting{{{PQsocket(connection_.get()), POLLIN, 0}, {wake, POLLIN, 0}}};
  (void)::poll(waiting.data(), waiting.size(), static_cast<int>(at_most.count()));
  if (PQconsumeInput(connection_.get()) == 0) return failure(nullptr);
  collect();
  return out;
}

Error PostgresConnection::failure(pg_result* result) {
  const char* found = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  last_state_ = found == nullptr ? "" : found;
  const std::string_view state = last_state_;
  const char* primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  std::string text =
      fmt::format("{}: {}", where_, one_line(primary != nullptr ? primary : PQerrorMessage(connection_.get())));
  if (!state.empty()) text += fmt::format(" (SQLSTATE {})", state);
  if (const std::string_view advice = postgres_advice(state); !advice.empty()) text += fmt::format("; {}", advice);
  if (is_broken() || state.empty() || is_away(state)) return error(ErrorKind::Unavailable, std::move(text));
  if (is_class(state, "22")) return error(ErrorKind::Invalid, std::move(text));
  return error(ErrorKind::Internal, std::move(text));
}

}  // namespace mesh
