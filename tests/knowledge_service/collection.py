"""A small collection to search in: documents by title, and questions with the title of the best document."""

DOCUMENTS = {
    "Heart attack": (
        "A heart attack happens when the blood flow to a part of the heart muscle is blocked. Typical "
        "signs are pressure or pain in the chest, pain that spreads to the arm or jaw, shortness of "
        "breath and cold sweat. Call an ambulance at once."
    ),
    "Angina": (
        "Angina is chest discomfort on exertion because narrowed coronary arteries let too little "
        "oxygen reach the heart. It passes with rest or with nitroglycerin under the tongue."
    ),
    "Heartburn": (
        "Stomach acid that rises into the gullet causes a burning feeling behind the breastbone, often "
        "after large meals or when lying down. Antacids and a raised head of the bed help."
    ),
    "Type 2 diabetes": (
        "Cells respond poorly to insulin, and glucose builds up in the blood. Thirst, frequent "
        "urination and tiredness are common. Diet, exercise, metformin and sometimes insulin lower it."
    ),
    "Hypoglycemia": (
        "Blood sugar below 70 mg/dl makes people shaky, sweaty, hungry and confused. Take 15 g of fast "
        "carbohydrate, such as juice, and measure again after 15 minutes."
    ),
    "Migraine": (
        "Attacks of throbbing pain, usually on one side of the head, with nausea and sensitivity to "
        "light and sound. Some people see zigzag lines before. Triptans such as zolmitriptan stop "
        "attacks."
    ),
    "Tension headache": (
        "A dull, pressing pain on both sides of the head, like a tight band, without nausea. Stress and "
        "poor posture contribute; over-the-counter painkillers and relaxation help."
    ),
    "Shingles": (
        "The virus of chickenpox wakes up in a nerve and causes a painful, blistering rash on one side "
        "of the body. Antiviral tablets within three days shorten it. A vaccine is advised from the age "
        "of 50."
    ),
    "Asthma": (
        "The airways are inflamed and tighten, which causes wheezing, cough and breathlessness. Inhaled "
        "steroids prevent attacks; a salbutamol inhaler relieves them. Swimming is often tolerated "
        "well."
    ),
    "Kidney stones": (
        "Hard deposits of minerals form in the kidneys. Their passage causes waves of severe "
        "pain in the flank, with blood in the urine. Drinking more water prevents them."
    ),
    "Gout": (
        "Uric acid crystals in a joint, most often of the big toe, cause sudden severe pain and "
        "swelling. Colchicine treats the attack; allopurinol prevents the next."
    ),
    "Celiac disease": (
        "Gluten from wheat, rye and barley damages the small intestine. Diarrhea, bloating and iron "
        "deficiency are frequent. Tablets may contain wheat starch: ask the pharmacist."
    ),
    "Sunburn": (
        "Skin that got too much ultraviolet light is red, hot and sore. Cool compresses and moisturizer "
        "soothe it; clothing, shade and sunscreen prevent it."
    ),
    "Iron deficiency anemia": (
        "Too little iron means too few red blood cells. Pale skin, fatigue and brittle nails are signs. "
        "Causes are heavy periods, bleeding in the gut and a poor diet."
    ),
}

QUESTIONS = {
    "What does myocardial infarction feel like?": "Heart attack",
    "pain behind the breastbone after a big dinner": "Heartburn",
    "zolmitriptan": "Migraine",
    "My sugar is low and I am trembling, what should I eat?": "Hypoglycemia",
    "At what age should I be vaccinated against herpes zoster?": "Shingles",
    "Which sport is safe for people who wheeze?": "Asthma",
    "blood in the urine and waves of pain in the flank": "Kidney stones",
    "allopurinol or colchicine for a swollen toe": "Gout",
    "Do pills have wheat in them?": "Celiac disease",
    "why am I always tired and pale": "Iron deficiency anemia",
    "high blood glucose treatment": "Type 2 diabetes",
    "both temples hurt as if a band were pulled tight": "Tension headache",
}
