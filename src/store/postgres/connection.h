// A connection to PostgreSQL, with errors that name the server, what is wrong and what to do, and never the password.
// Used by one thread at a time; calls block. A connection that broke stays broken: open another one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

struct pg_conn;
struct pg_result;

namespace mesh {

enum class PostgresTls { Disable, VerifyNone, VerifyCa, VerifyFull };

// Which lives of which databases were seen (see PostgresConnection::epoch), so that a primary that was replaced is not
// believed when it comes back as one. Thread-safe.
class DatabaseLives {
 public:
  bool is_over(const std::string& epoch) const;  // a later one of the same database was seen
  void note(const std::string& epoch);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> newest_;  // by system identifier
};

struct PostgresServer {
  std::string host = "127.0.0.1";  // a name (asked for anew with each connection), an address, the folder of a socket
  int port = 5432;
  std::string user, database;
  Secret password;
  // When set it is asked before each connection, in place of `password`: for passwords that are short-lived.
  std::function<Result<Secret>()> fetch_password;
  std::chrono::seconds connect_timeout{5};  // zero: none
  std::chrono::milliseconds statement_timeout{30'000};
  std::chrono::milliseconds lock_timeout{10'000};
  // Of a transaction in which nothing happens: a control plane that stalls must not hold up the others.
  std::chrono::milliseconds idle_transaction_timeout{5'000};
  // For an answer, whatever keeps the server from giving it: it is stopped, or its standby confirms nothing.
  std::chrono::milliseconds answer_timeout{40'000};
  PostgresTls tls = PostgresTls::Disable;
  std::string ca_file, certificate_file, key_file;                           // empty: none
  bool send_server_name = true;                                              // in the TLS handshake
  std::shared_ptr<DatabaseLives> lives = std::make_shared<DatabaseLives>();  // shared by copies
};

class PostgresRows {
 public:
  PostgresRows() = default;
  explicit PostgresRows(pg_result* result) : result_(result) {}

  int count() const;
  bool is_null(int row, int column) const;
  std::string_view text(int row, int column) const;  // empty when null
  std::int64_t number(int row, int column) const;    // 0 when null or no number

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class PostgresConnection {
 public:
  // To a server that takes writes, and was not replaced by another one.
  static Result<std::unique_ptr<PostgresConnection>> open(const PostgresServer& server);

  // One statement. It is prepared when it comes for the first time, so `sql` should be one of few.
  Result<PostgresRows> ask(const std::string& sql, const std::vector<std::string>& parameters = {});
  // Statements without parameters, in one journey. Stops at the first that fails.
  Result<std::vector<PostgresRows>> run(const std::string& script);

  bool is_broken() const;                                        // as far as was noticed
  bool is_idle() const;                                          // not broken, and in no transaction
  const std::string& last_state() const { return last_state_; }  // the SQLSTATE of what failed last
  // Which life of the database this is: another one after a failover or a restore. Revisions given in one life may be
  // unknown in the next.
  const std::string& epoch() const { return epoch_; }
  // The payloads of what was notified. Waits until there are some, `wake` becomes readable, or the time is over.
  Result<std::vector<std::string>> wait_for_notifications(int wake, std::chrono::milliseconds at_most);

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  PostgresConnection() = default;
  static Result<std::unique_ptr<PostgresConnection>> open_one(const PostgresServer& server, const Secret& password);
  Status set_up(const PostgresServer& server);
  Error failure(pg_result* result);
  // Sent before; the last of what comes. Nothing came in time: the connection is given up.
  Result<PostgresRows> last_answer();
  Status wait_for_answer(SteadyTime until);

  std::string where_;  // database "mesh" at db:5432
  std::unique_ptr<pg_conn, Close> connection_;
  std::map<std::string, std::string> prepared_;  // statement → its name
  std::string epoch_, last_state_;
  std::chrono::milliseconds answer_timeout_{};
  bool is_given_up_ = false;
};

// What somebody who made a connection fail for this reason should do. `state` is an SQLSTATE. Empty: nothing to say.
std::string_view postgres_advice(std::string_view state);

}  // namespace mesh
