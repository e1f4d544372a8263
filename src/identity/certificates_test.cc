#include "identity/certificates.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "identity/x509.h"
#include "model/rules.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class SecretsInMap final : public SecretSource {
 public:
  Result<Secret> find_secret(const std::string& mesh, const std::string& name) const override {
    const auto found = content.find(mesh + "/" + name);
    if (found == content.end()) return error(ErrorKind::NotFound, "not there");
    return found->second;
  }
  Result<std::vector<std::string>> list_secrets(const std::string&, const std::string&) const override {
    return std::vector<std::string>();
  }
  std::map<std::string, Secret> content;
};

CaBackend backend_of(const char* type, boost::json::value conf = nullptr) {
  CaBackend backend;
  backend.name = "ca-1";
  backend.type = type;
  backend.conf = std::move(conf);
  return backend;
}

std::vector<std::string> uris_of(X509* certificate) {
  std::vector<std::string> uris;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_URI)
      uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                        ASN1_STRING_length(name->d.ia5));
  }
  GENERAL_NAMES_free(names);
  return uris;
}

openssl::Certificate leaf_of(const std::string& pem) { return std::move(read_certificates(pem).value().front()); }

// What a TLS peer does: does the chain end at one of `roots`, for this use, at this time?
bool is_trusted(const std::string& certificate_pem, const std::string& roots_pem, int purpose, SystemTime when) {
  X509_STORE* store = X509_STORE_new();
  const auto roots = read_certificates(roots_pem).value();
  for (const auto& root : roots) X509_STORE_add_cert(store, root.get());
  const openssl::Certificate leaf = leaf_of(certificate_pem);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_STORE_CTX_set_time(context, 0, std::chrono::system_clock::to_time_t(when));
  X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
  const bool trusted = X509_verify_cert(context) == 1;
  if (!trusted) std::cerr << X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)) << "\n";
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return trusted;
}

class Certificates : public testing::Test {
 protected:
  std::shared_ptr<const CertificateAuthority> builtin(boost::json::value conf = nullptr) {
    const CaBackend backend = backend_of("builtin", std::move(conf));
    const KeyPair root = make_builtin_root("prod", backend, clock).value();
    secrets.content["prod/prod.ca-builtin-cert-ca-1"] = Secret(root.certificate_pem);
    secrets.content["prod/prod.ca-builtin-key-ca-1"] = root.key_pem;
    return load_authority("prod", backend, secrets).value();
  }
  static CertificateRequest request(Duration valid_for = 24h) {
    CertificateRequest wanted;
    wanted.uris = {"spiffe://prod/web", "kuma://kuma.io/service/web"};
    wanted.valid_for = valid_for;
    wanted.backdate = 10s;
    return wanted;
  }
  std::string why_not(const CaBackend& backend) {
    const auto loaded = load_authority("prod", backend, secrets);
    return loaded.has_value() ? "it loaded" : loaded.error().message();
  }

  SecretsInMap secrets;
  ManualClock clock{SystemTime(1'800'000'000s)};
};

// ---- the builtin authority

TEST_F(Certificates, OfTheBuiltinAuthorityAreTrustedByItsRootForBothUses) {
  const auto authority = builtin();
  const KeyPair pair = authority->issue(request(), clock).value();
  EXPECT_TRUE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_SERVER, clock.now()));
  EXPECT_TRUE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_CLIENT, clock.now()));
  EXPECT_TRUE(check_key_pair(pair.certificate_pem, pair.key_pem, false).has_value());
  const std::string other_root = make_builtin_root("prod", backend_of("builtin"), clock).value().certificate_pem;
  EXPECT_FALSE(is_trusted(pair.certificate_pem, other_root, X509_PURPOSE_SSL_SERVER, clock.now()));
}

TEST_F(Certificates, CarryTheirNamesAsCriticalUrisAndNoSubject) {
  const KeyPair pair = builtin()->issue(request(), clock).value();
  const openssl::Certificate leaf = leaf_of(pair.certificate_pem);
  EXPECT_THAT(uris_of(leaf.get()), ElementsAre("spiffe://prod/web", "kuma://kuma.io/service/web"));
  EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(leaf.get())), 0);
  const int at = X509_get_ext_by_NID(leaf.get(), NID_subject_alt_name, -1);
  EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(leaf.get(), at)), 1);
}

TEST_F(Certificates, CannotSignOthers) {
  const KeyPair pair = builtin()->issue(request(), clock).value();
  const openssl::Certificate leaf = leaf_of(pair.certificate_pem);
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
  EXPECT_EQ(X509_get_key_usage(leaf.get()), std::uint32_t{KU_DIGITAL_SIGNATURE});
  EXPECT_FALSE(check_key_pair(pair.certificate_pem, pair.key_pem, true).has_value());
}

TEST_F(Certificates, HaveP256KeysUnlessRsaIsAskedFor) {
  const auto authority = builtin();
  EXPECT_TRUE(
      authority->issue(request(), clock).value().key_pem.reveal().starts_with("-----BEGIN EC PRIVATE KEY-----"));
  CertificateRequest rsa = request();
  rsa.key_type = KeyType::Rsa2048;
  const KeyPair pair = authority->issue(rsa, clock).value();
  EXPECT_TRUE(pair.key_pem.reveal().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
  EXPECT_TRUE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_SERVER, clock.now()));
}

TEST_F(Certificates, HaveSerialNumbersAndKeysOfTheirOwn) {
  const auto authority = builtin();
  std::set<std::string> serials, keys;
  for (int i = 0; i < 50; ++i) {
    const KeyPair pair = authority->issue(request(), clock).value();
    const openssl::Certificate leaf = leaf_of(pair.certificate_pem);
    const ASN1_INTEGER* serial = X509_get0_serialNumber(leaf.get());
    EXPECT_FALSE(ASN1_STRING_type(serial) & V_ASN1_NEG);
    EXPECT_LE(ASN1_STRING_length(serial), 20);
    serials.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), ASN1_STRING_length(serial));
    keys.insert(pair.key_pem.reveal());
  }
  EXPECT_EQ(serials.size(), 50U);
  EXPECT_EQ(keys.size(), 50U);
}

TEST_F(Certificates, HoldFromALittleBeforeTheirTimeUntilTheirEnd) {
  const auto authority = builtin();
  const KeyPair pair = authority->issue(request(1h), clock).value();
  EXPECT_EQ(pair.not_before, clock.now() - 10s);
  EXPECT_EQ(pair.not_after, clock.now() + 1h);
  EXPECT_EQ(expiry_of(leaf_of(pair.certificate_pem).get()), pair.not_after);
  EXPECT_TRUE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_SERVER, clock.now() - 9s));
  EXPECT_FALSE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_SERVER, clock.now() + 1h + 1s));
}

TEST_F(Certificates, NeverOutliveTheirAuthority) {
  const auto authority = builtin({{"caCert", {{"expiration", "2h"}}}});
  EXPECT_EQ(authority->issue(request(24h), clock).value().not_after, clock.now() + 2h);
  clock.advance(2h);
  const auto late = authority->issue(request(), clock);
  EXPECT_EQ(late.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(late.error().message(), HasSubstr("expired"));
}

TEST_F(Certificates, RefuseNamesThatCouldBeReadInTwoWays) {
  const auto authority = builtin();
  for (const std::string& name : std::vector<std::string>{
           "", "spiffe://prod/a b", std::string("spiffe://prod/a\0b", 17), "spiffe://prod/\u00e4"}) {
    CertificateRequest wanted = request();
    wanted.uris = {name};
    EXPECT_EQ(authority->issue(wanted, clock).error().kind, ErrorKind::Invalid) << name;
  }
  CertificateRequest wanted = request();
  wanted.ip_addresses = {"1.2.3"};
  EXPECT_EQ(authority->issue(wanted, clock).error().kind, ErrorKind::Invalid);
}

TEST_F(Certificates, OfARootSayWhichMeshItIs) {
  const KeyPair root = make_builtin_root("prod", backend_of("builtin"), clock).value();
  const openssl::Certificate certificate = leaf_of(root.certificate_pem);
  EXPECT_THAT(uris_of(certificate.get()), ElementsAre("spiffe://prod"));
  EXPECT_EQ(root.not_after, clock.now() + 24h * 3650);
  EXPECT_EQ(X509_get_key_usage(certificate.get()), std::uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_TRUE(check_key_pair(root.certificate_pem, root.key_pem, true).has_value());
}

TEST_F(Certificates, OfARootFollowItsSettings) {
  const auto conf = boost::json::value{{"caCert", {{"RSAbits", 3072}, {"expiration", "10d"}}}};
  const KeyPair root = make_builtin_root("prod", backend_of("builtin", conf), clock).value();
  EXPECT_EQ(root.not_after, clock.now() + 240h);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(leaf_of(root.certificate_pem).get())), 3072);
  const auto wrong = [&](boost::json::value ca) {
    return make_builtin_root("prod", backend_of("builtin", {{"caCert", std::move(ca)}}), clock).error().message();
  };
  EXPECT_THAT(wrong({{"RSAbits", 512}}), HasSubstr("conf.caCert.RSAbits"));
  EXPECT_THAT(wrong({{"RSAbits", "many"}}), HasSubstr("conf.caCert.RSAbits"));
  EXPECT_THAT(wrong({{"expiration", "soon"}}), HasSubstr("conf.caCert.expiration"));
}

TEST_F(Certificates, OfAnAuthorityChangeItsId) {
  const std::string first = builtin()->id();
  EXPECT_EQ(load_authority("prod", backend_of("builtin"), secrets).value()->id(), first);
  EXPECT_NE(builtin()->id(), first);
}

TEST_F(Certificates, OfABuiltinAuthorityThatIsMissingAreNamed) {
  EXPECT_THAT(why_not(backend_of("builtin")),
              AllOf(HasSubstr("\"ca-1\" of mesh \"prod\""), HasSubstr("prod.ca-builtin-cert-ca-1")));
}

// ---- a provided authority

TEST_F(Certificates, OfAProvidedAuthorityComeFromEverySource) {
  const KeyPair root = make_builtin_root("elsewhere", backend_of("builtin"), clock).value();
  const std::string& cert = root.certificate_pem;
  const std::string& key = root.key_pem.reveal();
  secrets.content["prod/my-cert"] = Secret(cert);
  secrets.content["prod/my-key"] = Secret(key);
  std::string file = std::filesystem::temp_directory_path() / "ca-XXXXXX";
  const int handle = mkstemp(file.data());
  std::ofstream(file) << key;
  close(handle);

  const std::vector<boost::json::value> confs = {
      {{"cert", {{"secret", "my-cert"}}}, {"key", {{"secret", "my-key"}}}},
      {{"cert", {{"inlineString", cert}}}, {"key", {{"inline", base64_encode(key)}}}},
      {{"cert", {{"inlineString", cert}}}, {"key", {{"file", file}}}},
  };
  for (const boost::json::value& conf : confs) {
    const auto authority = load_authority("prod", backend_of("provided", conf), secrets).value();
    const KeyPair pair = authority->issue(request(), clock).value();
    EXPECT_TRUE(is_trusted(pair.certificate_pem, authority->root_pem(), X509_PURPOSE_SSL_CLIENT, clock.now()));
  }
  EXPECT_THAT(used_secrets("prod", backend_of("provided", confs[0])), ElementsAre("my-cert", "my-key"));
  std::filesystem::remove(file);
}

TEST_F(Certificates, OfAProvidedAuthorityThatCannotSignAreRefused) {
  const KeyPair root = make_builtin_root("prod", backend_of("builtin"), clock).value();
  const KeyPair other = make_builtin_root("prod", backend_of("builtin"), clock).value();
  const KeyPair leaf = builtin()->issue(request(), clock).value();
  const auto provided = [](const std::string& cert, const std::string& key) {
    return backend_of("provided", {{"cert", {{"inlineString", cert}}}, {"key", {{"inlineString", key}}}});
  };
  EXPECT_THAT(why_not(provided(leaf.certificate_pem, leaf.key_pem.reveal())), HasSubstr("cert[0]: basic constraint"));
  EXPECT_THAT(why_not(provided(root.certificate_pem, other.key_pem.reveal())), HasSubstr("not the key"));
  EXPECT_THAT(why_not(provided("garbage", other.key_pem.reveal())), HasSubstr("not a certificate in PEM"));
  EXPECT_THAT(why_not(provided(root.certificate_pem, "garbage")), HasSubstr("not a private key"));
  EXPECT_THAT(why_not(provided(root.certificate_pem + leaf.certificate_pem, root.key_pem.reveal())),
              HasSubstr("cert[1]"));
  EXPECT_THAT(why_not(provided(root.certificate_pem.substr(0, 200), root.key_pem.reveal())),
              HasSubstr("not a certificate"));
  EXPECT_THAT(why_not(backend_of("provided", {{"cert", {{"secret", "gone"}}}, {"key", {{"secret", "gone"}}}})),
              AllOf(HasSubstr("conf.cert.secret"), HasSubstr("\"gone\"")));
  EXPECT_THAT(why_not(backend_of("provided")), HasSubstr("conf.cert: "));
  EXPECT_THAT(why_not(backend_of("vault")), HasSubstr("\"vault\""));
}

TEST(KeyPair, WithAPasswordIsRefusedAndNeverAskedAbout) {
  const openssl::Key key = make_key(KeyType::EcdsaP256).value();
  const openssl::Stream out(BIO_new(BIO_s_mem()));
  const std::string password = "secret";
  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), password.data(), 6, nullptr, nullptr);
  EXPECT_FALSE(openssl::read_private_key(Secret(openssl::written(out.get()))).has_value());
}

// ---- certificates of servers

TEST_F(Certificates, OfAServerAreTheirOwnRoot) {
  CertificateRequest wanted;
  wanted.common_name = "taskmesh-cp";
  wanted.dns_names = {"localhost", "cp.example.com"};
  wanted.ip_addresses = {"127.0.0.1", "::1"};
  wanted.for_client = false;
  wanted.valid_for = 24h * 365;
  for (const KeyType type : {KeyType::EcdsaP256, KeyType::Rsa2048}) {
    const KeyPair pair = make_self_signed(wanted, type, clock).value();
    EXPECT_TRUE(check_key_pair(pair.certificate_pem, pair.key_pem, false).has_value());
    const openssl::Certificate certificate = leaf_of(pair.certificate_pem);
    EXPECT_EQ(X509_check_host(certificate.get(), "cp.example.com", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_host(certificate.get(), "example.com", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "::1", 0), 1);
    EXPECT_TRUE(is_trusted(pair.certificate_pem, pair.certificate_pem, X509_PURPOSE_SSL_SERVER, clock.now()));
    EXPECT_FALSE(is_trusted(pair.certificate_pem, pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, clock.now()));
  }
}

TEST_F(Certificates, OfAServerMayBeTrustedTogetherWithTheirSuccessors) {
  CertificateRequest wanted;
  wanted.common_name = "taskmesh-cp";
  wanted.dns_names = {"cp.example.com"};
  wanted.for_client = false;
  wanted.valid_for = 24h;
  const std::string one = make_self_signed(wanted, KeyType::EcdsaP256, clock).value().certificate_pem;
  const std::string next = make_self_signed(wanted, KeyType::EcdsaP256, clock).value().certificate_pem;
  for (const std::string& both : {one + next, next + one})
    for (const std::string& shown : {one, next})
      EXPECT_TRUE(is_trusted(shown, both, X509_PURPOSE_SSL_SERVER, clock.now()));
}

// ---- ages

TEST(Age, IsAWholeNumberAndAUnit) {
  EXPECT_EQ(parse_lifetime("250ms").value(), 250ms);
  EXPECT_EQ(parse_lifetime("30m").value(), 30min);
  EXPECT_EQ(parse_lifetime("1d").value(), 24h);
  EXPECT_EQ(parse_lifetime("2w").value(), 24h * 14);
  EXPECT_EQ(parse_lifetime("10y").value(), 24h * 3650);
  EXPECT_EQ(parse_lifetime("0").value(), 0s);
  for (const char* text : {"", "1", "d", "1h30m", "1.5h", "-1h", "1 d", "101y", "99999999999999999999s"})
    EXPECT_FALSE(parse_lifetime(text).has_value()) << text;
}

TEST(Age, OfWorkloadCertificatesIsADayUnlessTheMeshSaysOtherwise) {
  CaBackend backend = backend_of("builtin");
  EXPECT_EQ(workload_validity(backend).value(), 24h);
  backend.dp_cert = DpCert{.rotation = DpCertRotation{.expiration = "30s"}, .request_timeout = {}};
  EXPECT_EQ(workload_validity(backend).value(), 30s);
  backend.dp_cert->rotation->expiration = "soon";
  EXPECT_FALSE(workload_validity(backend).has_value());
}

}  // namespace
}  // namespace mesh
