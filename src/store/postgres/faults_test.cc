// What may happen to a database and to the way there, tried with a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "store/contract/writes.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/test_database.h"

namespace mesh::contract {
namespace {

using namespace std::chrono_literals;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string why_not(const PostgresServer& server) {
  PostgresStore::Settings settings;
  settings.server = server;
  const auto store = PostgresStore::open(std::move(settings), kinds());
  return store.has_value() ? "it opened" : store.error().message();
}

void cut_all_connections(const PostgresServer& server) {
  run_sql(server,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
          "AND pid <> pg_backend_pid()");
}

std::vector<Write> widgets(int first, int count) {
  std::vector<Write> batch;
  for (int i = first; i < first + count; ++i) batch.push_back(put(widget_key("prod", std::to_string(i))));
  return batch;
}

std::size_t put_count(const ChangeBatch& batch) {
  return static_cast<std::size_t>(
      std::ranges::count_if(batch.changes, [](const Change& change) { return change.op == Change::Op::Put; }));
}

// ---- the way there

TEST(PostgresStore, SaysWhichDatabaseCannotBeReachedAndNeverThePassword) {
  PostgresServer server = server_for("mesh");
  server.port = 1;
  EXPECT_THAT(why_not(server), AllOf(HasSubstr("\"mesh\" at 127.0.0.1:1"), HasSubstr("refused")));
  server = server_for("nowhere");
  EXPECT_THAT(why_not(server), HasSubstr("database \"nowhere\" does not exist"));
  server.password = Secret("swordfish");
  EXPECT_THAT(why_not(server), AllOf(HasSubstr("password authentication failed"), HasSubstr("as \"mesh\""),
                                     Not(HasSubstr("swordfish"))));
}

TEST(PostgresStore, AsksForAFreshPasswordWithEachConnection) {
  PostgresServer server = server_for("postgres");
  int asked = 0;
  server.password = Secret("out of date");
  server.fetch_password = [&]() -> Result<Secret> {
    ++asked;
    return Secret(PostgresServerProcess::kPassword);
  };
  EXPECT_TRUE(PostgresConnection::open(server).has_value());
  EXPECT_TRUE(PostgresConnection::open(server).has_value());
  EXPECT_EQ(asked, 2);
}

TEST(PostgresStore, SaysThatItIsAwayWhenThePasswordCannotBeFetched) {
  PostgresServer server = server_for("postgres");
  server.fetch_password = []() -> Result<Secret> { return error(ErrorKind::NotFound, "there is no such file"); };
  const auto connection = PostgresConnection::open(server);
  EXPECT_EQ(connection.error().kind, ErrorKind::Unavailable) << "no resource is missing";
  EXPECT_THAT(connection.error().message(), AllOf(HasSubstr("a password for"), HasSubstr("no such file")));
}

// It takes connections and never says a word, as behind a network that swallows packets.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_, raw, size), 0);
    EXPECT_EQ(::listen(socket_, 100), 0);
    EXPECT_EQ(::getsockname(socket_, raw, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  int port() const { return port_; }
  int count_connections() {
    for (int count = 0;; ++count) {
      const int taken = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (taken < 0) return count;
      ::close(taken);
    }
  }

 private:
  int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int port_ = 0;
};

TEST(PostgresStore, LosesNoThreadsToAServerThatSaysNothing) {
  SilentServer silent;
  PostgresServer server = server_for("mesh");
  server.port = silent.port();
  server.connect_timeout = 2s;
  PostgresPool pool(server, {});
  EXPECT_EQ(pool.borrow().error().kind, ErrorKind::Unavailable);
  EXPECT_EQ(silent.count_connections(), 1);
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 20; ++i)
      readers.emplace_back([&] { EXPECT_EQ(pool.borrow().error().kind, ErrorKind::Unavailable); });
  }
  EXPECT_LT(silent.count_connections(), 10) << "one waits for it, the others are told what the last one was";
}

TEST(PostgresStore, SaysWhichCommandMakesTheSchema) {
  EXPECT_THAT(why_not(empty_database()), HasSubstr("run \"taskmesh-cp migrate up\" first"));
}

TEST(PostgresStore, SaysSoWhenAllConnectionsAreInUse) {
  PostgresPool pool(server_for("postgres"), {.at_most = 1, .wait = 20ms});
  const Result<PostgresPool::Borrowed> first = pool.borrow();
  ASSERT_TRUE(first.has_value());
  EXPECT_THAT(pool.borrow().error().message(), HasSubstr("all 1 connections are in use"));
}

TEST(PostgresStore, KeepsConnectionsForTheNext) {
  PostgresPool pool(server_for("postgres"), {.keep_open = 2, .at_most = 5});
  ASSERT_TRUE(pool.look_after().has_value());
  const auto backend = [&] {
    return pool.with([](PostgresConnection& connection) { return connection.ask("SELECT pg_backend_pid()"); })
        .value()
        .number(0, 0);
  };
  EXPECT_EQ(backend(), backend());
  EXPECT_EQ(ask_sql(server_for("postgres"),
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND "
                    "backend_type = 'client backend'"),
            "3")
      << "two in the pool and the one that asks";
}

TEST(PostgresStore, DoesNotBelieveAPrimaryThatWasReplaced) {
  DatabaseLives lives;
  lives.note("7001/00000002");
  EXPECT_TRUE(lives.is_over("7001/00000001"));
  EXPECT_FALSE(lives.is_over("7001/00000002"));
  EXPECT_FALSE(lives.is_over("7001/0000000A"));
  EXPECT_FALSE(lives.is_over("7002/00000001")) << "another database";
  EXPECT_FALSE(lives.is_over("7001")) << "a service that does not tell";

  PostgresServer server = server_for("postgres");
  const std::string epoch = connect(server)->epoch();
  server.lives->note(epoch.substr(0, epoch.find('/')) + "/FFFFFFFF");
  EXPECT_THAT(PostgresConnection::open(server).error().message(), HasSubstr("replaced by another primary"));
  server.host += ",127.0.0.1";
  EXPECT_FALSE(PostgresConnection::open(server).has_value()) << "and every one of several is asked";
}

// ---- TLS

void make_certificate(const std::filesystem::path& folder, const std::string& name, const std::string& san) {
  const std::string command = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={1} -addext "
      "subjectAltName={2} -keyout {0}/{1}.key -out {0}/{1}.crt 2>/dev/null",
      folder.string(), name, san);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(PostgresStore, VerifiesTheServerAsFarAsItIsTold) {
  PostgresServerProcess process;
  make_certificate(process.folder(), "server", "IP:127.0.0.1");
  make_certificate(process.folder(), "misnamed", "DNS:db.elsewhere");
  for (const char* file : {"server.key", "server.crt", "misnamed.key", "misnamed.crt"})
    process.give_to_server(process.folder() / file);
  PostgresServer server = server_for("postgres", process);
  const auto reason = [&](PostgresTls tls, const std::string& ca) {
    server.tls = tls;
    server.ca_file = (process.folder() / ca).string();
    const auto connection = PostgresConnection::open(server);
    return connection.has_value() ? "ok" : connection.error().message();
  };
  EXPECT_THAT(reason(PostgresTls::VerifyNone, ""), HasSubstr("does not support SSL"));

  const auto restart_with = [&](const std::string& name) {
    process.stop();
    process.start({"ssl=on", fmt::format("ssl_cert_file={}/{}.crt", process.folder().string(), name),
                   fmt::format("ssl_key_file={}/{}.key", process.folder().string(), name)});
  };
  restart_with("server");
  EXPECT_EQ(reason(PostgresTls::Disable, ""), "ok");
  EXPECT_EQ(reason(PostgresTls::VerifyNone, ""), "ok");
  EXPECT_EQ(reason(PostgresTls::VerifyCa, "server.crt"), "ok");
  EXPECT_EQ(reason(PostgresTls::VerifyFull, "server.crt"), "ok");
  EXPECT_THAT(reason(PostgresTls::VerifyCa, "misnamed.crt"), HasSubstr("certificate verify failed"));
  restart_with("misnamed");
  EXPECT_EQ(reason(PostgresTls::VerifyCa, "misnamed.crt"), "ok");
  EXPECT_THAT(reason(PostgresTls::VerifyFull, "misnamed.crt"), HasSubstr("does not match host name"));
}

// ---- a server that goes away

TEST(PostgresStore, NeverNoticesThatItsIdleConnectionsWereCut) {
  const PostgresServer server = new_database();
  auto store = open_at(server);
  store->write(only(put(mesh_key("prod")))).value();
  cut_all_connections(server);
  EXPECT_TRUE(store->get(mesh_key("prod")).has_value());
  cut_all_connections(server);
  EXPECT_TRUE(store->write(only(put(widget_key("prod", "a")))).has_value());
}

TEST(PostgresStore, RefusesInWordsWhileTheServerIsDownAndGoesOnWhenItIsBack) {
  PostgresServerProcess process;
  const PostgresServer server = empty_database(process);
  ASSERT_TRUE(migrate_up(*connect(server), [](const Migration&) {}).has_value());
  auto store = open_at(server);
  Picture reader;
  const Revision before = store->write(only(put(mesh_key("prod")))).value();
  reader.fold(store->wait_for_changes(0, {}).value());

  process.kill();
  const Result<Revision> refused = store->write(only(put(widget_key("prod", "a"))));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("127.0.0.1:{}", server.port)));
  EXPECT_EQ(store->get(mesh_key("prod")).error().kind, ErrorKind::Unavailable);
  std::jthread waiting([&] { reader.fold(store->wait_for_changes(reader.upto, {}).value()); });

  process.start();
  EXPECT_EQ(store->write(only(put(widget_key("prod", "b")))).value(), before + 1);
  waiting.join();
  EXPECT_EQ(reader.colors.size(), 2U) << "a reader that waited meanwhile is told";
}

TEST(PostgresStore, WritesAgainWhatTheServerDidNotCommit) {
  const PostgresServer server = new_database();
  auto store = open_at(server);
  store->write(only(put(mesh_key("prod")))).value();
  run_sql(server,
          "CREATE SEQUENCE commits; CREATE FUNCTION die_once() RETURNS trigger AS $$ BEGIN IF nextval('commits') = 1 "
          "THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$ LANGUAGE plpgsql; "
          "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON taskmesh.resources DEFERRABLE INITIALLY DEFERRED FOR EACH "
          "ROW EXECUTE FUNCTION die_once()");
  const Result<Revision> written = store->write(only(put(widget_key("prod", "a"))));
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(store->get(widget_key("prod", "a")).value().revision, *written);
}

TEST(PostgresStore, LetsNobodyWaitForeverForALock) {
  PostgresServer server = new_database();
  server.lock_timeout = 100ms;
  auto store = open_at(server);
  const auto other = connect(server_for(server.database));
  ASSERT_TRUE(other->run("BEGIN; SELECT * FROM taskmesh.store FOR UPDATE").has_value());
  EXPECT_THAT(store->write(only(put(mesh_key("prod")))).error().message(), HasSubstr("lock"));
  ASSERT_TRUE(other->run("ROLLBACK").has_value());
  EXPECT_TRUE(store->write(only(put(mesh_key("prod")))).has_value());
}

TEST(PostgresStore, GivesUpAConnectionThatAnswersNothing) {
  PostgresServer server = server_for("postgres");
  server.answer_timeout = 300ms;
  const auto connection = connect(server);
  const auto answer = connection->run("SELECT pg_sleep(60)");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(answer.error().message(), HasSubstr("no answer within 0.3 s"));
  EXPECT_TRUE(connection->is_broken());
}

TEST(PostgresStore, IsNotHeldUpByAControlPlaneThatStalls) {
  PostgresServer server = new_database();
  auto store = open_at(server);
  server.idle_transaction_timeout = 200ms;
  const auto stalled = connect(server);
  ASSERT_TRUE(stalled->run("BEGIN; SELECT * FROM taskmesh.store FOR UPDATE").has_value());
  EXPECT_TRUE(store->write(only(put(mesh_key("prod")))).has_value());
}

TEST(PostgresStore, FailsOneWriteOfAGroupForWhatItAlonePutsWrong) {
  auto store = open_at(new_database());
  store->write(only(put(mesh_key("prod")))).value();
  std::atomic<int> stood = 0, fell = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 8; ++writer)
      writers.emplace_back([&, writer] {
        for (int i = 0; i < 5; ++i) {
          const bool wrong = writer == 0;
          std::string name = fmt::format("{}-{}", writer, i);
          if (wrong) name += std::string("\0x", 2);  // what PostgreSQL cannot hold
          const auto written = store->write(only(put(widget_key("prod", name))));
          ++(written.has_value() ? stood : fell);
          EXPECT_EQ(written.has_value(), !wrong);
        }
      });
  }
  EXPECT_EQ(stood, 35);
  EXPECT_EQ(fell, 5);
}

// ---- several control planes

TEST(PostgresStore, TellsABurstInOrderToEveryControlPlane) {
  const PostgresServer server = new_database();
  auto one = open_at(server), other = open_at(server);
  one->write(only(put(mesh_key("prod")))).value();
  constexpr int kCount = 5000;
  std::vector<Picture> pictures(2);
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 2; ++i)
      readers.emplace_back([&, i] {
        PostgresStore& store = i == 0 ? *one : *other;
        while (pictures[static_cast<std::size_t>(i)].colors.size() < kCount + 1) {
          Picture& picture = pictures[static_cast<std::size_t>(i)];
          picture.fold(store.wait_for_changes(picture.upto, {}).value());
        }
      });
    for (int first = 0; first < kCount; first += 50) {
      one->write(widgets(first, 50)).value();
      if (first % 1000 == 500) cut_all_connections(server);  // and with them the ones that listen
    }
  }
  EXPECT_EQ(pictures[0].colors, pictures[1].colors);
  EXPECT_EQ(pictures[0].upto, pictures[1].upto);
}

TEST(PostgresStore, TellsWhatOthersWroteWithoutBeingAskedAgain) {
  const PostgresServer server = new_database();
  auto one = open_at(server), other = open_at(server);
  Revision seen = one->write(only(put(mesh_key("prod")))).value();
  EXPECT_EQ(other->wait_for_changes(0, {}).value().upto, seen);
  for (int round = 0; round < 20; ++round) {
    ChangeBatch batch;
    std::jthread reader([&] { batch = other->wait_for_changes(seen, {}).value(); });
    const Revision written = one->write(widgets(round, 1)).value();
    reader.join();
    EXPECT_EQ(batch.upto, written);
    seen = written;
  }
}

TEST(PostgresStore, LooksByItselfWhenANotificationNeverCame) {
  const PostgresServer server = new_database();
  auto store = open_at(server);
  const Revision seen = store->write(only(put(mesh_key("prod")))).value();
  std::jthread reader([&] { EXPECT_EQ(put_count(store->wait_for_changes(seen, {}).value()), 1U); });
  run_sql(server,
          "BEGIN; INSERT INTO taskmesh.resources SELECT 'Gadget', '', 'silent', revision + 1, 0, 0, '{}', "
          "NULL, NULL, NULL, '{\"color\": \"red\"}', NULL FROM taskmesh.store; "
          "UPDATE taskmesh.store SET revision = revision + 1; COMMIT");
}

TEST(PostgresStore, StartsOverWhenTheDatabaseBeganANewLife) {
  const PostgresServer server = new_database();
  auto store = open_at(server);
  Revision seen = store->write(only(put(mesh_key("prod")))).value();
  seen = store->write(only(put(widget_key("prod", "a")))).value();
  // As after a failover that lost the last write: the same numbers will be given to other content.
  run_sql(server,
          "DELETE FROM taskmesh.resources WHERE name = 'a'; "
          "UPDATE taskmesh.store SET epoch = 'earlier', revision = revision - 1");
  const Revision next = store->write(only(put(widget_key("prod", "b")))).value();
  EXPECT_GT(next, seen + 1'000'000);
  const ChangeBatch batch = store->wait_for_changes(seen, {}).value();
  EXPECT_TRUE(batch.from_start);
  EXPECT_THAT(steps(batch), ElementsAre("+prod", "+b"));
  EXPECT_EQ(store->write(only(put(widget_key("prod", "c")))).value(), next + 1) << "once for each life";
}

TEST(PostgresStore, DeletesWithTheirOwnersWhatOnlyANewerBuildKnows) {
  const PostgresServer server = new_database();
  auto store = open_at(server);
  store->write(only(put(mesh_key("prod")))).value();
  run_sql(server,
          "BEGIN; INSERT INTO taskmesh.resources SELECT 'Novelty', 'prod', 'x', revision + 1, 0, 0, '{}', "
          "'Mesh', '', 'prod', '{}', NULL FROM taskmesh.store; "
          "UPDATE taskmesh.store SET revision = revision + 1; COMMIT");
  const ChangeBatch all = store->wait_for_changes(0, {}).value();
  EXPECT_THAT(steps(all), ElementsAre("+prod"));
  store->write(only(erase(mesh_key("prod")))).value();
  EXPECT_EQ(ask_sql(server, "SELECT count(*) FROM taskmesh.resources"), "0");
  EXPECT_EQ(ask_sql(server, "SELECT string_agg(kind, ' ' ORDER BY revision) FROM taskmesh.deletions"), "Mesh Novelty");
}

TEST(PostgresStore, ForgetsOldDeletions) {
  const PostgresServer server = new_database();
  auto store = open_at(server, 10);
  for (int i = 0; i < 50; ++i) {
    store->write(only(put(gadget_key("a")))).value();
    store->write(only(erase(gadget_key("a")))).value();
  }
  EXPECT_LE(std::stoi(ask_sql(server, "SELECT count(*) FROM taskmesh.deletions")), 11);
}

}  // namespace
}  // namespace mesh::contract
