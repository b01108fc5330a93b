//! American for British spellings.
//!
//! The lists are of stems, in families that change in one way, so that every inflection of a word is
//! covered. They cover the words of the list that Whisper uses ("Comprehensive list of American and
//! British spelling differences", tysto.com) but for its slips, such as "pummelled" for "pummel".

/// `-is-` becomes `-iz-` after these, before an ending of a verb or its noun.
const IZE: &str = "accessor acclimat aggrand agon amort anglic annual antagon apolog appet author bapt \
    bastard bowdler brutal canal cannibal canon canton capital caramel carbon categor cauter central character \
    circular civil collectiv colon commercial compartmental computer conceptual contextual criminal \
    critic crystall custom decentral decriminal dehuman demilitar demobil democrat demon demoral \
    denational deodor depersonal deput desensit destabil digit disorgan dramat econom editorial empath \
    emphas energ epitom equal eulog evangel exorc extempor external factor familiar fantas femin fertil \
    fictional final formal fossil fratern galvan general ghetto glamor global harmon homogen hospital \
    human hybrid hypnot hypothes ideal idol immobil immortal immun individual industrial initial \
    institutional intellectual internal international ion italic item jeopard legal legitim liberal lion liquid \
    local magnet marginal material maxim mechan memor memorial mesmer metabol militar miniatur minim \
    mobil modern moistur monopol moral motor national natural neutral normal optim organ ostrac \
    overemphas oxid particular passiv pasteur patron pedestrian penal personal philosoph plagiar polar \
    politic popular pressur priorit privat professional propagand proselyt public pulver radical random \
    rational real recogn regular reorgan revital revolution rhapsod ritual romantic sanit satir \
    scandal scrutin secular sensational sensit sentimental serial sermon signal social sodom solemn \
    special stabil standard steril stigmat subsid summar symbol sympath synchron synthes systemat \
    tantal tempor tender terror theor transistor traumat trivial tyrann unauthor uncivil underutil \
    union unorgan unrecogn urban util vandal vapor verbal victim visual vocal vulcan vulgar western \
    woman";
const IZE_ENDINGS: &str =
    "e ed es er ers ing ingly edly ation ations ational able ably ability ement ance";

/// `-ys-` becomes `-yz-`.
const YZE: &str = "anal breathal catal paral psychoanal electrol hydrol";
const YZE_ENDINGS: &str = "e ed es er ers ing";

/// `-our-` becomes `-or-`; "-is-" in the ending becomes "-iz-".
const OR: &str = "arb ard arm behavi belab cand clam clang col demean discol disfav dishon enam endeav \
    fav ferv flav harb hon hum lab misbehavi misdemean multicol neighb od parl ranc rig rum sav savi \
    splend succ technicol tricol tum unfav unsav val vap vig watercol";
const OR_ENDINGS: &str = "- s ed eds er ers ies y al ism ist ists ant ants ful fully ing ings ise ised ises ising \
    ize ized izes izing less able ably ite ites itism some hood hoods ly liness";

/// `-ll-` becomes `-l-`.
const L: &str = "backpeda bedevi bejewe beve ca cance caro cavi channe chi chise counci counse crue cudge \
    dia disembowe disheve drive due ename fi funne gambo grave grove grue impane imperi initia jewe \
    labe leve libe marsha marve mode pane parce peda penci pumme quarre rave refue remode reve riva shove \
    shrive signa snive snorke spira squirre stenci swive tasse towe trave tria tunne unequa unrave \
    unriva untramme wease woo yode";
/// Endings after the double l. "caller", "filling", "grilled" and their like are of other words.
const L_ENDINGS: &str = "ed ing ingly er ers or ors ist ists ous ously en ens ies est i";
/// Words of the family that these endings would spoil.
const NOT_L: &str = "called calling caller callers filled filling filler fillers filly fillies callous callously \
    chilled chilling chiller chillers";

/// `-re` becomes `-er`.
const ER: &str = "accout amphitheat calib cent centilit centimet epicent fib goit kilomet lacklust lit louv \
    lust meag met micromet millilit millimet mit ochr reconnoit sab saltpet scept sepulch somb spect theat";
const ER_ENDINGS: &str = "- s fold folds piece pieces glass ments goer goers";

/// `-ae-` becomes `-e-` at the start of these.
const E: &str = "aeon aesthet aetiolog anaem anaesthe bougainvillaea caesarean chimaera \
    encyclopaedi faecal faeces gynaecolog haematolog haemoglobin haemophilia haemorrh \
    leukaemia mediaeval orthopaedic paederast paediatr paedophil palaeo praesidium primaeval toxaemia";

/// Starts of words and what they become.
const STARTS: [(&str, &str); 30] = [
    ("aluminium", "aluminum"),
    ("cheque", "check"),
    ("chequer", "checker"),
    ("draught", "draft"),
    ("foet", "fet"),
    ("gaol", "jail"),
    ("groyne", "groin"),
    ("gryphon", "griffin"),
    ("homoeopath", "homeopath"),
    ("manoeuvra", "maneuvera"),
    ("manoeuvre", "maneuver"),
    ("manoeuvred", "maneuvered"),
    ("manoeuvring", "maneuvering"),
    ("outmanoeuvre", "outmaneuver"),
    ("outmanoeuvred", "outmaneuvered"),
    ("outmanoeuvring", "outmaneuvering"),
    ("mould", "mold"),
    ("moult", "molt"),
    ("moustach", "mustach"),
    ("oesophag", "esophag"),
    ("oestrogen", "estrogen"),
    ("pharmacopoeia", "pharmacopeia"),
    ("plough", "plow"),
    ("pyjama", "pajama"),
    ("remould", "remold"),
    ("sceptic", "skeptic"),
    ("smoulder", "smolder"),
    ("snowplough", "snowplow"),
    ("sulph", "sulf"),
    ("syphon", "siphon"),
];

/// Single words and what they become.
const WORDS: &str = "aerogramme aerogram aerogrammes aerograms aeroplane airplane aeroplanes airplanes \
    ageing aging almanack almanac almanacks almanacs analogue analog analogues analogs appal appall \
    appals appalls archaeology archeology archaeological archeological archaeologist archeologist \
    archaeologists archeologists archaeologically archeologically artefact artifact artefacts artifacts axe ax bannister banister \
    bannisters banisters baulk balk baulked balked baulking balking baulks balks behove behoove \
    behoved behooved behoves behooves bevvies bevies bevvy bevy biassed biased biassing biasing \
    bingeing binging busses buses bussing busing callipers calipers calliper caliper callisthenics \
    calisthenics catalogue catalog catalogued cataloged catalogues catalogs cataloguing cataloging \
    centigramme centigram centigrammes centigrams centred centered clarinettist clarinetist \
    clarinettists clarinetists connexion connection connexions connections cosier cozier cosies cozies \
    cosiest coziest cosily cozily cosiness coziness cosy cozy cypher cipher cyphers ciphers defence \
    defense defenceless defenseless defences defenses dialogue dialog dialogues dialogs diarrhoea \
    diarrhea disc disk discs disks distil distill distils distills edoema edema enrol enroll enrols \
    enrolls enthral enthrall enthrals enthralls epaulette epaulet epaulettes epaulets epilogue epilog \
    epilogues epilogs fillet filet filleted fileted filleting fileting fillets filets flautist flutist \
    flautists flutists fulfil fulfill fulfilment fulfillment fulfils fulfills gasses gases gage gauge \
    gaged gauged gages gauges gaging gauging gipsies gypsies glamor glamour glueing gluing gonorrhoea \
    gonorrhea gramme gram grammes grams grey gray greyed grayed greying graying greyish grayish \
    greyness grayness greys grays inflexion inflection inflexions inflections instal install \
    instalment installment instalments installments instals installs instil instill instils instills \
    jewellery jewelry judgement judgment kilogramme kilogram kilogrammes kilograms licence license \
    licenced licensed licences licenses licencing licensing likeable likable louvred louvered \
    milligramme milligram milligrammes milligrams minibusses minibuses misspelt misspelled monologue \
    monolog monologues monologs offence offense offences offenses omelette omelet omelettes omelets \
    philtre filter philtres filters phoney phony pouffe pouf pouffes poufs practise practice practised \
    practiced practises practices practising practicing pretence pretense pretences pretenses \
    programme program programmes programs prologue prolog prologues prologs pzazz pizzazz \
    reconnoitred reconnoitered reconnoitring reconnoitering sheikh sheik storey story storeys stories \
    tonne ton tonnes tons tranquillity tranquility tranquillise tranquilize tranquillised tranquilized \
    tranquilliser tranquilizer tranquillisers tranquilizers tranquillises tranquilizes tranquillising \
    tranquilizing tranquillize tranquilize tranquillized tranquilized tranquillizer tranquilizer \
    tranquillizers tranquilizers tranquillizes tranquilizes tranquillizing tranquilizing travelog \
    travelogue travelogs travelogues tyre tire tyres tires videodisc videodisk videodiscs videodisks \
    waggon wagon waggons wagons woolly wooly worshipped worshiped worshipping worshiping worshipper worshiper \
    yoghourt yogurt yoghourts yogurts yoghurt yogurt yoghurts yogurts mhm hmm mmm hmm";

/// The American spelling of a lower-case word, if it is another.
pub(super) fn american(word: &str) -> Option<String> {
    single(word)
        .or_else(|| family(word, "is", "iz", IZE, IZE_ENDINGS))
        .or_else(|| family(word, "ys", "yz", YZE, YZE_ENDINGS))
        .or_else(|| colour(word))
        .or_else(|| if holds(NOT_L, word) { None } else { family(word, "ll", "l", L, L_ENDINGS) })
        .or_else(|| family(word, "re", "er", ER, ER_ENDINGS))
        .or_else(|| start(word))
}

fn holds(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

fn single(word: &str) -> Option<String> {
    let mut words = WORDS.split_ascii_whitespace();
    while let (Some(british), Some(american)) = (words.next(), words.next()) {
        if british == word {
            return Some(american.to_owned());
        }
    }
    None
}

/// A stem of a list, the letters that change, and an ending of a list (`-` is none).
fn family(word: &str, from: &str, to: &str, stems: &str, endings: &str) -> Option<String> {
    word.match_indices(from).find_map(|(place, _)| {
        let (stem, ending) = (&word[..place], &word[place + from.len()..]);
        let known =
            holds(stems, stem) && holds(endings, if ending.is_empty() { "-" } else { ending });
        known.then(|| format!("{stem}{to}{ending}"))
    })
}

fn colour(word: &str) -> Option<String> {
    let american = family(word, "our", "or", OR, OR_ENDINGS)?;
    // "colourise" changes twice.
    let twice = ["ise", "ised", "ises", "ising"].into_iter().find(|ending| word.ends_with(ending));
    match twice {
        Some(ending) => {
            let stem = american.strip_suffix(ending)?;
            Some(format!("{stem}{}", ending.replacen('s', "z", 1)))
        }
        None => Some(american),
    }
}

fn start(word: &str) -> Option<String> {
    if E.split_ascii_whitespace().any(|start| word.starts_with(start)) {
        let simple = word.replacen("ae", "e", 1);
        let twice = simple.starts_with("anesthetis") && !simple.starts_with("anesthetist");
        return Some(if twice { simple.replacen("is", "iz", 1) } else { simple });
    }
    let found = STARTS.iter().filter(|(from, _)| word.starts_with(from));
    let (from, to) = found.max_by_key(|(from, _)| from.len())?;
    Some(format!("{to}{}", &word[from.len()..]))
}
