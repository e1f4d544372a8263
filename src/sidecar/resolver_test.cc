#include "sidecar/resolver.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

namespace mesh::sidecar {
namespace {

using testing::HasSubstr;

std::string dns_query(const std::string& name, std::uint16_t type = 1) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  std::size_t at = 0;
  while (at < name.size()) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    out += static_cast<char>(end - at);
    out += name.substr(at, end - at);
    at = end + 1;
  }
  out += '\0';
  out += '\0';
  out += static_cast<char>(type);
  return out + std::string("\0\1", 2);
}

MeshNames mesh_names() {
  MeshNames out;
  out.addresses["kv.mesh.local"] = {Ipv4{127, 1, 0, 3}};
  return out;
}

int code_of(std::string_view answer) { return static_cast<unsigned char>(answer[3]) & 0x0f; }
int answers_of(std::string_view answer) { return static_cast<unsigned char>(answer[7]); }

TEST(DnsAnswers, CarryTheAddressOfAName) {
  const auto answer = answer_query(dns_query("KV.Mesh.Local"), mesh_names());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->substr(0, 2), "\x12\x34");
  EXPECT_EQ(code_of(*answer), 0);
  EXPECT_EQ(answers_of(*answer), 1);
  EXPECT_TRUE(answer->ends_with(std::string("\0\0\0\5\0\4\x7f\1\0\3", 10)));
}

TEST(DnsAnswers, OfOtherTypesAreEmpty) {
  const auto answer = answer_query(dns_query("kv.mesh.local", 28), mesh_names());
  ASSERT_TRUE(answer);
  EXPECT_EQ(code_of(*answer), 0);
  EXPECT_EQ(answers_of(*answer), 0);
}

TEST(DnsAnswers, AreNotGivenForOtherNames) {
  EXPECT_FALSE(answer_query(dns_query("example.com"), mesh_names()));
  EXPECT_FALSE(answer_query(dns_query("mesh.local"), mesh_names()));
  EXPECT_EQ(code_of(*fail_query(dns_query("example.com"), DnsFailure::Refused)), 5);
}

TEST(DnsAnswers, AreNeverTooLong) {
  MeshNames many;
  std::string name;
  while (name.size() < 240) name += std::string(11, 'x') + ".";
  name += "y";
  many.addresses[name] = std::vector<Ipv4>(1000, Ipv4{127, 1, 0, 1});
  const auto answer = answer_query(dns_query(name), many);
  ASSERT_TRUE(answer);
  EXPECT_LE(answer->size(), 512U);
  EXPECT_EQ(answers_of(*answer), 8);
}

TEST(DnsAnswers, AreNotGivenToAnswers) {
  std::string answer = *answer_query(dns_query("kv.mesh.local"), mesh_names());
  EXPECT_FALSE(read_question(answer));
  EXPECT_FALSE(answer_query(answer, mesh_names()));
  EXPECT_FALSE(fail_query(answer, DnsFailure::Refused));
}

TEST(DnsAnswers, AreNotGivenToWhatIsNoQuestion) {
  const std::string query = dns_query("kv.mesh.local");
  for (std::size_t size = 0; size < query.size(); ++size) EXPECT_FALSE(read_question(query.substr(0, size))) << size;
  std::string pointer = query;
  pointer[12] = '\xc0';  // to itself
  pointer[13] = '\x0c';
  EXPECT_FALSE(read_question(pointer));
  std::string two = query;
  two[5] = 2;
  EXPECT_FALSE(read_question(two));
  std::string update = query;
  update[2] = 0x28;
  EXPECT_FALSE(read_question(update));
  std::string endless = query.substr(0, 12);
  for (int i = 0; i < 200; ++i) endless += "\1a";
  EXPECT_FALSE(read_question(endless + std::string("\0\0\1\0\1", 5)));
}

TEST(DnsAnswers, AreNotGivenToGarbage) {
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = i % 2 == 0 ? dns_query("kv.mesh.local") : std::string(random() % 40, '\0');
    for (int flips = static_cast<int>(random() % 6); flips > 0 && !bytes.empty(); --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(bytes.size() - random() % (bytes.size() + 1) / 3);
    const auto answer = answer_query(bytes, mesh_names());
    EXPECT_TRUE(!answer || fail_query(bytes, DnsFailure::Refused));
  }
}

TEST(DnsAnswers, AreThoseToOneQueryAlone) {
  const std::string query = dns_query("Example.com");
  const std::string answer = *fail_query(query, DnsFailure::ServerFailure);
  EXPECT_TRUE(is_answer_to(answer, query));
  EXPECT_TRUE(is_answer_to(answer, dns_query("example.com")));
  EXPECT_FALSE(is_answer_to(answer, dns_query("example.net")));
  EXPECT_FALSE(is_answer_to(answer, dns_query("example.com", 28)));
  EXPECT_FALSE(is_answer_to("\x43" + answer.substr(1), query)) << "another id";
  EXPECT_FALSE(is_answer_to(query, query)) << "no answer";
  EXPECT_FALSE(is_answer_to(answer.substr(0, 12), query));
}

TEST(NamesOfTheMesh, AreReadFromTheControlPlane) {
  const auto read = parse_mesh_names(R"({"records": [{"name": "Kv.mesh", "ips": ["127.1.0.0", "::1"]}], "ttl": 7})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ttl, 7U);
  EXPECT_EQ(read->addresses.at("kv.mesh"), (std::vector<Ipv4>{{127, 1, 0, 0}}));
  EXPECT_FALSE(parse_mesh_names("[]"));
  EXPECT_FALSE(parse_mesh_names(R"({"records": [1]})"));
  EXPECT_FALSE(parse_mesh_names("{"));
}

TEST(Upstream, IsTheFirstOtherServer) {
  EXPECT_EQ(upstream_in("search x\nnameserver 127.0.0.1\nnameserver 10.0.0.2 # vpc\n", "127.0.0.1"), "10.0.0.2");
  EXPECT_EQ(upstream_in("nameserver ::1\noptions ndots:0", "127.0.0.1"), "");
  EXPECT_EQ(upstream_in("nameservers 10.0.0.1\nnameserver", "127.0.0.1"), "");
}

// A socket on loopback.
class Peer {
 public:
  Peer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    const sockaddr_in any = loopback(0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
  }
  ~Peer() { ::close(socket_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::uint32_t port() const {
    sockaddr_in bound{};
    socklen_t size = sizeof(bound);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size);
    return ntohs(bound.sin_port);
  }
  void send(const std::string& message, std::uint32_t to) const {
    const sockaddr_in address = loopback(to);
    EXPECT_EQ(::sendto(socket_, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)),
              static_cast<ssize_t>(message.size()));
  }
  // The next message, and from which port.
  std::pair<std::string, std::uint32_t> receive() const {
    char buffer[1500];
    sockaddr_in from{};
    socklen_t length = sizeof(from);
    const ssize_t size = ::recvfrom(socket_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &length);
    EXPECT_GE(size, 0) << "nothing came";
    return {size < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(size)), ntohs(from.sin_port)};
  }
  std::string ask(const std::string& query, std::uint32_t port) const {
    send(query, port);
    return receive().first;
  }

 private:
  static sockaddr_in loopback(std::uint32_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  int socket_;
};

std::unique_ptr<Resolver> resolver_before(const Peer& upstream, Duration patience = std::chrono::minutes(10)) {
  auto resolver = Resolver::listen(
      {.port = 0, .upstream = "127.0.0.1", .upstream_port = upstream.port(), .patience = patience}, real_clock());
  EXPECT_TRUE(resolver) << resolver.error().message();
  (*resolver)->set(mesh_names());
  return *std::move(resolver);
}

TEST(Resolver, AnswersForTheMeshAndHandsOnTheRest) {
  const Peer upstream, client;
  const auto resolver = resolver_before(upstream);
  EXPECT_TRUE(client.ask(dns_query("kv.mesh.local"), resolver->port()).ends_with("\x7f\x01" + std::string("\0\3", 2)));

  client.send(dns_query("example.com"), resolver->port());
  const auto [asked, from] = upstream.receive();
  EXPECT_EQ(read_question(asked)->name, "example.com");
  MeshNames outside;
  outside.addresses["example.com"] = {Ipv4{10, 9, 9, 9}};
  upstream.send(*answer_query(asked, outside), from);
  const std::string handed_on = client.receive().first;
  EXPECT_EQ(handed_on.substr(0, 2), "\x12\x34");
  EXPECT_TRUE(handed_on.ends_with("\x0a\x09\x09\x09"));
}

TEST(Resolver, TakesNoAnswerFromWhomItDidNotAskNorToWhatItDidNotAsk) {
  const Peer upstream, stranger, client;
  const auto resolver = resolver_before(upstream);
  client.send(dns_query("example.com"), resolver->port());
  const auto [asked, from] = upstream.receive();
  MeshNames forged, honest;
  forged.addresses["example.com"] = {Ipv4{6, 6, 6, 6}};
  honest.addresses["example.com"] = {Ipv4{10, 9, 9, 9}};
  stranger.send(*answer_query(asked, forged), from);  // knows even the port and the id
  std::string other_id = *answer_query(asked, forged);
  other_id[0] = static_cast<char>(other_id[0] + 1);
  upstream.send(other_id, from);
  std::string other_question = asked.substr(0, 2) + dns_query("example.net").substr(2);
  upstream.send(*fail_query(other_question, DnsFailure::Refused), from);
  upstream.send(*answer_query(asked, honest), from);
  EXPECT_TRUE(client.receive().first.ends_with("\x0a\x09\x09\x09"));
}

TEST(Resolver, AsksEachTimeFromAnotherPort) {
  const Peer upstream, client;
  const auto resolver = resolver_before(upstream);
  std::set<std::uint32_t> ports;
  for (int i = 0; i < 8; ++i) {
    client.send(dns_query("example.com"), resolver->port());
    const auto [asked, from] = upstream.receive();
    ports.insert(from);
  }
  EXPECT_EQ(ports.size(), 8U);
}

TEST(Resolver, SaysWhenTheOtherServerIsSilentOrGone) {
  const Peer silent, client;
  const auto impatient = resolver_before(silent, std::chrono::milliseconds(10));
  EXPECT_EQ(code_of(client.ask(dns_query("example.com"), impatient->port())), 2);
  auto gone = std::make_unique<Peer>();
  const auto before_nobody = resolver_before(*gone);
  gone.reset();
  EXPECT_EQ(code_of(client.ask(dns_query("example.com"), before_nobody->port())), 2);
}

TEST(Resolver, AsksTheOtherServerForSoMuchAtATime) {
  const Peer upstream, client;
  const auto resolver = resolver_before(upstream);
  for (int i = 0; i < 129; ++i) client.send(dns_query("n" + std::to_string(i) + ".example.com"), resolver->port());
  EXPECT_EQ(code_of(client.receive().first), 2) << "the first of all answers";
  EXPECT_TRUE(client.ask(dns_query("kv.mesh.local"), resolver->port()).ends_with("\x7f\x01" + std::string("\0\3", 2)));
}

TEST(Resolver, RefusesTheRestWhereThereIsNoOtherServer) {
  const auto resolver = Resolver::listen({}, real_clock());
  ASSERT_TRUE(resolver) << resolver.error().message();
  const Peer client;
  EXPECT_EQ(code_of(client.ask(dns_query("elsewhere.example"), (*resolver)->port())), 5);
}

TEST(Resolver, KnowsNewNamesAndForgetsOldOnesAtOnce) {
  const auto resolver = Resolver::listen({}, real_clock());
  ASSERT_TRUE(resolver) << resolver.error().message();
  const Peer client;
  EXPECT_EQ(code_of(client.ask(dns_query("kv.mesh.local"), (*resolver)->port())), 5);
  (*resolver)->set(mesh_names());
  EXPECT_EQ(code_of(client.ask(dns_query("kv.mesh.local"), (*resolver)->port())), 0);
  (*resolver)->set({});
  EXPECT_EQ(code_of(client.ask(dns_query("kv.mesh.local"), (*resolver)->port())), 5);
}

TEST(Resolver, SaysWhichPortItCouldNotHave) {
  const auto first = Resolver::listen({}, real_clock());
  ASSERT_TRUE(first);
  const auto second = Resolver::listen({.port = (*first)->port(), .upstream = {}}, real_clock());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr(std::to_string((*first)->port())));
}

}  // namespace
}  // namespace mesh::sidecar
